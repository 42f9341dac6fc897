"""
All use cases, put together for the shells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from openim_ray.config import Config
from openim_ray.ports import Broker, DirectoryStore, MessageReader, TokenReader
from openim_ray.services.account_erasing import AccountErasing
from openim_ray.services.accounts import AccountService
from openim_ray.services.auth import TokenService
from openim_ray.services.black_lists import BlackListService
from openim_ray.services.business_notifications import BusinessNotifications
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.clearing import Clearing
from openim_ray.services.client_configs import ClientConfigService
from openim_ray.services.conversations import ConversationService
from openim_ray.services.friend_requests import FriendRequestService
from openim_ray.services.friendships import FriendshipService
from openim_ray.services.groups.assembly import GroupServices, build_group_services
from openim_ray.services.messages import MessageReading
from openim_ray.services.notification_accounts import NotificationAccountService
from openim_ray.services.overviews import OverviewService
from openim_ray.services.presence import PresenceService
from openim_ray.services.profile_announcements import ProfileAnnouncements
from openim_ray.services.profiles import ProfileService
from openim_ray.services.read_marks import ReadMarks
from openim_ray.services.relations import RelationService
from openim_ray.services.system_messages import SystemMessages
from openim_ray.services.user_commands import UserCommandService
from openim_ray.services.users import UserService


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """
    What a shell can do for its callers.
    """

    tokens: TokenService
    users: UserService
    profiles: ProfileService
    announcements: ProfileAnnouncements
    accounts: AccountService
    account_erasing: AccountErasing
    notification_accounts: NotificationAccountService
    user_commands: UserCommandService
    client_configs: ClientConfigService
    relations: RelationService
    friendships: FriendshipService
    friend_requests: FriendRequestService
    black_lists: BlackListService
    groups: GroupServices
    conversations: ConversationService
    messages: MessageReading
    read_marks: ReadMarks
    clearing: Clearing
    system_messages: SystemMessages
    business_notifications: BusinessNotifications
    presence: PresenceService
    overviews: OverviewService
    now_ms: Callable[[], int]


def build_services(
    *,
    config: Config,
    directory: DirectoryStore,
    tokens: TokenReader,
    messages: MessageReader,
    broker: Broker,
    now_ms: Callable[[], int],
) -> Services:
    """
    Put the services together.

    Args:
        config: of it, `[auth]` and `[groups]`; the admin secret must be there by now.
        directory: people, relations, conversations.
        tokens: where token states are read.
        messages: where messages are read.
        broker: the actors.
        now_ms: wall clock in Unix milliseconds.
    """
    secret = config.auth.admin_secret.reveal()
    changes = DirectoryChanges(directory, broker)
    issued = TokenService(tokens, directory, broker, config.auth, secret, now_ms)
    users = UserService(directory, now_ms)
    announcements = ProfileAnnouncements(changes, now_ms)
    profiles = ProfileService(changes, broker, announcements.wake)
    relations = RelationService(directory)
    groups = build_group_services(directory, messages, changes, config.groups)
    conversations = ConversationService(directory)
    reading = MessageReading(messages, directory, broker)
    return Services(
        tokens=issued,
        users=users,
        profiles=profiles,
        announcements=announcements,
        accounts=AccountService(changes, issued, config.auth),
        account_erasing=AccountErasing(changes, directory, issued, broker, config.auth, now_ms),
        notification_accounts=NotificationAccountService(users, profiles, directory),
        user_commands=UserCommandService(changes, directory),
        client_configs=ClientConfigService(changes, directory),
        relations=relations,
        friendships=FriendshipService(changes),
        friend_requests=FriendRequestService(directory),
        black_lists=BlackListService(changes),
        groups=groups,
        conversations=conversations,
        messages=reading,
        read_marks=ReadMarks(broker),
        clearing=Clearing(changes, directory, messages),
        system_messages=SystemMessages(broker, directory, now_ms),
        business_notifications=BusinessNotifications(changes),
        presence=PresenceService(broker),
        overviews=OverviewService(conversations, users, relations, groups.queries, reading, broker),
        now_ms=now_ms,
    )
