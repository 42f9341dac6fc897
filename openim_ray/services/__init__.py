"""
Use cases, as plain classes over the ports. Both shells, the WebSocket gateway and the HTTP API, call these instead of stores and actors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from openim_ray.config import Config
from openim_ray.ports import Broker, DirectoryStore, MessageReader, TokenReader
from openim_ray.services.auth import TokenService
from openim_ray.services.conversations import ConversationService
from openim_ray.services.groups import GroupService
from openim_ray.services.messages import MessageReading
from openim_ray.services.overviews import OverviewService
from openim_ray.services.presence import PresenceService
from openim_ray.services.read_marks import ReadMarks
from openim_ray.services.relations import RelationService
from openim_ray.services.users import UserService


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """
    What a shell can do for its callers.
    """

    tokens: TokenService
    users: UserService
    relations: RelationService
    groups: GroupService
    conversations: ConversationService
    messages: MessageReading
    read_marks: ReadMarks
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
        config: of it, `[auth]`; the admin secret must be there by now.
        directory: people, relations, conversations.
        tokens: where token states are read.
        messages: where messages are read.
        broker: the actors.
        now_ms: wall clock in Unix milliseconds.
    """
    secret = config.auth.admin_secret.reveal()
    users = UserService(directory, now_ms)
    relations = RelationService(directory)
    conversations = ConversationService(directory)
    reading = MessageReading(messages, directory, broker)
    return Services(
        tokens=TokenService(tokens, directory, broker, config.auth, secret, now_ms),
        users=users,
        relations=relations,
        groups=GroupService(directory),
        conversations=conversations,
        messages=reading,
        read_marks=ReadMarks(broker),
        presence=PresenceService(broker),
        overviews=OverviewService(conversations, users, relations, reading, broker),
        now_ms=now_ms,
    )
