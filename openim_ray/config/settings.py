"""
Every setting: name, type, default, allowed range, meaning, and whether it can change while the server runs.

A setting is *static* (read at start) or *reloadable* (read again without a restart). A name ends in its unit; a limit's
text says what happens at the limit.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from openim_ray.config import values
from openim_ray.config.values import Rule, Secret


def static(text: str, rule: Rule | None = None, *, ge: float | None = None, le: float | None = None) -> msgspec.Meta:
    """Describe a setting that is read at start."""
    return msgspec.Meta(description=text, ge=ge, le=le, extra={"reloadable": False, "rule": rule})


def reloadable(
    text: str, rule: Rule | None = None, *, ge: float | None = None, le: float | None = None
) -> msgspec.Meta:
    """Describe a setting that can change while the server runs."""
    return msgspec.Meta(description=text, ge=ge, le=le, extra={"reloadable": True, "rule": rule})


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration file."""


class ServerSection(Section, frozen=True):
    """Where the server listens and keeps its data."""

    data_dir: Annotated[
        str,
        static("Folder of the databases, the admin secret and the run file; made if missing.", values.FOLDER),
    ] = "data"
    hosts: Annotated[
        tuple[str, ...],
        static("Addresses that both listeners bind, of either family; 0.0.0.0 and :: mean all.", values.ADDRESSES),
    ] = ("127.0.0.1",)
    ws_port: Annotated[int, static("TCP port of the WebSocket listener; 0 takes a free one.", ge=0, le=65535)] = 10001
    api_port: Annotated[
        int, static("TCP port of the HTTP listener (REST and the chat page); 0 takes a free one.", ge=0, le=65535)
    ] = 10002
    public_ws_url: Annotated[
        str, static("WebSocket URL as clients reach it, if a proxy stands in front.", values.WEBSOCKET_URL)
    ] = ""
    public_api_url: Annotated[
        str, static("HTTP URL as clients reach it, if a proxy stands in front.", values.HTTP_URL)
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        static("Proxies whose X-Forwarded-For is believed; nobody else's is.", values.NETWORKS),
    ] = ()
    tls_certificate: Annotated[
        str,
        static(
            "PEM file with the certificate chain of both listeners; a new one is taken when the file changes.",
            values.FILE,
        ),
    ] = ""
    tls_key: Annotated[str, static("PEM file with the private key of the certificate.", values.FILE)] = ""
    drain_seconds: Annotated[
        float,
        static(
            "Longest time to answer, flush and close at the end; what is left then is cut off. Ray's own end comes on top.",
            ge=0.5,
            le=60,
        ),
    ] = 3.0


class AuthSection(Section, frozen=True):
    """Who may log in, and how often."""

    admin_secret: Annotated[
        Secret,
        static(
            "Secret that buys an administrator's token. Empty: made at the first start and kept in data_dir, "
            "readable by its owner only.",
            values.SECRET,
        ),
    ] = Secret("")
    admin_user_ids: Annotated[
        tuple[str, ...], static("Users that the secret can log in as; they may call every route.", values.ADMIN_IDS)
    ] = ("imAdmin",)
    token_days: Annotated[int, static("Lifetime of a new token.", ge=1, le=3650)] = 90
    multi_login_policy: Annotated[
        Literal[0, 1, 4, 5],
        static(
            "Which older logins a new one ends. 0: none. 1: those on the same platform. 4: those on the same class "
            "of platform. 5: all but those on PCs."
        ),
    ] = 1
    tokens_per_platform_max: Annotated[
        int, static("Valid tokens of a user on a platform under policy 0; a new one drops the oldest.", ge=1, le=1000)
    ] = 30


class GatewaySection(Section, frozen=True):
    """WebSocket connections."""

    actors: Annotated[int, static("Gateway actors of this machine.", ge=1, le=64)] = 1
    connections_max: Annotated[
        int,
        static(
            "Connections of one gateway, and as many to its HTTP port; a further one is refused with 1601, or in a flood "
            "of them closed at once.",
            ge=1,
            le=1_000_000,
        ),
    ] = 100_000
    connections_per_address_max: Annotated[
        int,
        static(
            "Connections of one client address to one gateway, and as many to its HTTP port; further ones are refused as "
            "above, silent ones too. Loopback is no exception. Behind a proxy set server.trusted_proxies, or all clients count as one address.",
            ge=1,
            le=1_000_000,
        ),
    ] = 20_000
    send_queue_frames_max: Annotated[
        int,
        static(
            "Frames that join what a slow client has not taken yet; one more closes its connection.", ge=8, le=100_000
        ),
    ] = 256
    send_queue_bytes_max: Annotated[
        int, static("Bytes that wait for a slow client; more closes its connection.", ge=1 << 20, le=1 << 30)
    ] = 8 << 20
    frames_per_second_max: Annotated[
        int,
        static(
            "Frames of one connection a second, on average, and as many times 16 KiB; a faster client is closed.",
            ge=1,
            le=100_000,
        ),
    ] = 500
    frames_burst_max: Annotated[
        int, static("Frames that a connection may send at once after a pause.", ge=1, le=1_000_000)
    ] = 1000
    handshake_seconds: Annotated[
        float, static("Time to send the whole handshake; then the connection is closed.", ge=0.1, le=60)
    ] = 10.0
    read_deadline_seconds: Annotated[
        float, static("Silence after which a connection is closed; official clients ping earlier.", ge=1, le=3600)
    ] = 30.0
    write_deadline_seconds: Annotated[
        float, static("Time for the system to take one frame; then the connection is closed.", ge=0.1, le=600)
    ] = 10.0
    web_ping_seconds: Annotated[
        float, static("How often web clients, which cannot ping, are pinged.", ge=0.5, le=3600)
    ] = 27.0


class ApiSection(Section, frozen=True):
    """HTTP requests."""

    body_bytes_max: Annotated[
        int, static("Largest request body; a bigger one is refused with errCode 1001.", ge=1024, le=1 << 28)
    ] = 4 << 20
    requests_in_flight_max: Annotated[
        int, static("Requests served at once; further ones are refused as temporary.", ge=1, le=100_000)
    ] = 1024
    request_seconds: Annotated[
        float, static("Time to answer; then the request fails as retryable. Clients give up at 10.", ge=0.5, le=600)
    ] = 9.0


class InboxesSection(Section, frozen=True):
    """Inbox actors: the users' inboxes and the conversation logs."""

    actors: Annotated[int, static("Shared inbox actors; users are spread over them.", ge=1, le=256)] = 1
    placement: Annotated[
        Literal["shared", "per-user"],
        static(
            "shared: inboxes live in the shared actors. per-user: each active inbox gets a Ray actor of its own, "
            "about 50 MB each."
        ),
    ] = "shared"
    dedicated_actors_max: Annotated[
        int,
        static(
            "Ray actors that serve one inbox each; at the limit the longest idle one is given back. "
            "0: as many as free memory allows.",
            ge=0,
            le=10_000,
        ),
    ] = 0
    dedicated_users: Annotated[
        tuple[str, ...], static("Users with a Ray actor of their own under either placement.", values.USER_IDS)
    ] = ()
    idle_seconds: Annotated[float, static("Time without use after which an inbox leaves memory.", ge=1, le=86_400)] = (
        600.0
    )
    buffer_deliveries: Annotated[
        int, static("Newest deliveries an inbox keeps; older positions align by conversation.", ge=1, le=100_000)
    ] = 256


class GroupsSection(Section, frozen=True):
    """Groups of users."""

    members_max: Annotated[
        int, static("Members of a group; whoever would be one more is refused with errCode 1001.", ge=1, le=1_000_000)
    ] = 100_000
    history_for_new_members: Annotated[bool, static("Whether new members see what was written before they came.")] = (
        True
    )


class RelationsSection(Section, frozen=True):
    """What friends and black lists mean for messages."""

    friends_only: Annotated[
        bool,
        reloadable(
            "Refuse a message to somebody in whose friend list its sender doesn't stand (1303). A change counts within ten seconds."
        ),
    ] = False


class PersistenceSection(Section, frozen=True):
    """Writing messages down."""

    actors: Annotated[int, static("Persistence actors.", ge=1, le=64)] = 1
    batch_messages_max: Annotated[
        int, static("Messages in one transaction; further ones form the next.", ge=1, le=100_000)
    ] = 512
    batch_bytes_max: Annotated[
        int, static("Bytes in one transaction; further messages form the next.", ge=1 << 16, le=1 << 28)
    ] = 4 << 20
    append_deadline_seconds: Annotated[
        float,
        static("Time to be durable; then the sender hears a temporary error. Clients give up at 10.", ge=0.5, le=9.5),
    ] = 8.0


class LinksSection(Section, frozen=True):
    """Batches between actors."""

    window_ms: Annotated[
        int, static("How long a batch collects under load; an idle link sends at once.", ge=0, le=1000)
    ] = 20
    window_bytes_max: Annotated[
        int,
        static("Size at which a batch leaves early; from 99 kB on a Ray call costs double.", ge=1024, le=10_000_000),
    ] = 90_000
    queue_max: Annotated[
        int,
        static(
            "Items that wait for one peer. Beyond it the link begins anew: deliveries are repaired, requests said again.",
            ge=2_000,  # more than is said again at once (`core/repair.py`)
            le=10_000_000,
        ),
    ] = 20_000
    queue_bytes_max: Annotated[
        int,
        static(
            "Bytes that wait for one peer. Beyond it the link begins anew, as at queue_max.",
            ge=16 << 20,  # more than is said again at once (`core/repair.py`)
            le=1 << 34,
        ),
    ] = 64 << 20
    hole_ms: Annotated[
        int, static("Age at which a missing batch counts as lost and is repaired.", ge=50, le=60_000)
    ] = 500
    lease_seconds: Annotated[
        float, static("Silence after which a gateway counts as gone and its sessions end.", ge=1, le=600)
    ] = 15.0


class StorageSection(Section, frozen=True):
    """Databases. Empty means SQLite in data_dir."""

    messages_url: Annotated[str, static("Where recent messages are kept.", values.MESSAGES_STORE)] = ""
    history_url: Annotated[
        str,
        static(
            "Where every message is kept for ever. Empty: a SQLite file, which is that of the messages if those are embedded, too.",
            values.HISTORY_STORE,
        ),
    ] = ""
    directory_url: Annotated[
        str,
        static("Where users, relations, groups, conversations, tokens and read positions are.", values.DIRECTORY_STORE),
    ] = ""
    tokens_url: Annotated[
        str,
        static(
            "Where hot copies of tokens and read positions are, in front of directory_url, which counts. Nothing is lost with them.",
            values.TOKENS_STORE,
        ),
    ] = ""
    retention_days: Annotated[
        int,
        reloadable(
            "Age at which messages leave the store of recent messages, once the history has them. Where both are SQLite, nothing is deleted.",
            ge=1,
            le=36_500,
        ),
    ] = 14


class ClusterSection(Section, frozen=True):
    """The Ray underneath."""

    namespace: Annotated[
        str, static("Ray namespace of the actors; servers in one Ray differ by it.", values.NAMESPACE)
    ] = "openim"
    address: Annotated[str, static("The Ray to join, with --detach only.", values.RAY_ADDRESS)] = ""
    port: Annotated[int, static("TCP port of the Ray that --detach starts; 0 takes a free one.", ge=0, le=65535)] = 0


class LogSection(Section, frozen=True):
    """What the server writes about itself; never content, never a whole token."""

    level: Annotated[Literal["debug", "info", "warning", "error"], static("Least severity that is written.")] = "info"
    format: Annotated[Literal["console", "json"], static("For people, or one JSON object a line.")] = "console"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings, and for those that are not at their default, where the value came from."""

    server: ServerSection = ServerSection()
    auth: AuthSection = AuthSection()
    gateway: GatewaySection = GatewaySection()
    api: ApiSection = ApiSection()
    inboxes: InboxesSection = InboxesSection()
    groups: GroupsSection = GroupsSection()
    relations: RelationsSection = RelationsSection()
    persistence: PersistenceSection = PersistenceSection()
    links: LinksSection = LinksSection()
    storage: StorageSection = StorageSection()
    cluster: ClusterSection = ClusterSection()
    log: LogSection = LogSection()
    sources: dict[str, str] = {}
    file: str = ""
    """The TOML file that was read, from the root; empty if there was none."""
