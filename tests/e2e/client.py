"""What every client under test can do, whatever SDK it is made of."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.e2e.events import WAIT_SECONDS, Event, EventLog

RECEIVED = (
    "OnRecvNewMessage",
    "OnRecvNewMessages",
    "OnRecvOfflineNewMessage",
    "OnRecvOfflineNewMessages",
    "onRecvOfflineNewMessage",
    "onRecvOfflineNewMessages",
)
"""The callbacks by which SDKs hand over messages, one or a list at a time."""

TEXT = 101


class Endpoints(NamedTuple):
    """Where clients find the server."""

    ws_url: str
    api_url: str


class Account(NamedTuple):
    """Who logs in, and as what."""

    user_id: str
    token: str
    platform: int


@dataclass(frozen=True)
class Message:
    """A text as a client shows it."""

    text: str
    send_id: str
    seq: int
    send_time: int
    client_msg_id: str
    server_msg_id: str = ""
    is_read: bool = False


class HistoryPage(NamedTuple):
    """Messages, oldest first, and whether nothing older exists."""

    messages: list[Message]
    is_end: bool


class Client(ABC):
    """One device of one user."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.events = EventLog(f"{type(self).__name__} of {account.user_id}")

    @property
    def user_id(self) -> str:
        """The user's id."""
        return self.account.user_id

    def chat_with(self, peer: str) -> str:
        """Return the id of the conversation with another user."""
        return conversation(self.user_id, peer)

    @abstractmethod
    async def start(self) -> None:
        """Begin to log in; what comes of it shows in the events."""

    @abstractmethod
    async def send_text(self, peer: str, text: str) -> Message:
        """Send a text and return it as the server accepted it; an error if it was refused."""

    @abstractmethod
    async def logout(self) -> None:
        """Log out."""

    @abstractmethod
    async def close(self) -> None:
        """End the device, logged in or not."""

    async def login(self) -> None:
        """Log in and return when the first synchronisation is done."""
        await self.start()
        await self.events.wait_for("OnSyncServerFinish")

    async def history(self, peer: str, count: int, before: Message | None = None) -> HistoryPage:
        """Return up to `count` messages older than `before` (None: the newest)."""
        raise NotImplementedError

    async def unread(self, peer: str) -> int:
        """Return how many messages of the conversation with `peer` count as unread."""
        raise NotImplementedError

    async def mark_read(self, peer: str) -> None:
        """Mark the conversation with `peer` as read."""
        raise NotImplementedError

    async def received(self, text: str, *, seconds: float = WAIT_SECONDS) -> Message:
        """Return the received message with this text, waiting for it."""
        event = await self.events.wait(
            lambda event: any(message.text == text for message in received_of(event)),
            f"message {text!r}",
            seconds=seconds,
        )
        return next(message for message in received_of(event) if message.text == text)

    async def shows_unread(self, peer: str, count: int) -> None:
        """Wait until the chat with `peer` shows this unread count: SDKs hand a message over before they count it."""
        while True:
            position = self.events.position
            shown = await self.unread(peer)
            if shown == count:
                return
            await self.events.wait(lambda _: True, f"unread count of {count} instead of {shown}", after=position)

    def received_texts(self, sender: str, *, after: int = 0) -> list[str]:
        """Return the texts of `sender` in the order in which this device was told of them."""
        events = self.events.named(*RECEIVED, after=after)
        return [message.text for event in events for message in received_of(event) if message.send_id == sender]

    async def whole_history(self, peer: str, count: int) -> list[list[Message]]:
        """Return the pages of `count` back to the start of the conversation, newest page first."""
        pages: list[list[Message]] = []
        before: Message | None = None
        while True:
            page = await self.history(peer, count, before)
            if page.messages:
                pages.append(page.messages)
                before = page.messages[0]
            if page.is_end:
                return pages
            assert page.messages, f"an empty page that is not the end, after {sum(map(len, pages))} messages"


def conversation(one: str, other: str) -> str:
    """Return the id of the chat of two users."""
    return "si_" + "_".join(sorted((one, other)))


def received_of(event: Event) -> list[Message]:
    """Return the texts that an event hands over; none if it is about something else."""
    if event.name not in RECEIVED:
        return []
    data = event.data["data"] if isinstance(event.data, Mapping) and "data" in event.data else event.data
    items = data if isinstance(data, list) else [data]
    return texts_of(items)


def texts_of(items: Iterable[Any]) -> list[Message]:
    """Return the texts among messages, in any of the forms that SDKs hand out."""
    return [item if isinstance(item, Message) else message_of(item) for item in items if _is_text(item)]


def message_of(item: Mapping[str, Any]) -> Message:
    """Read a text message in the form of an SDK, or in that of the wire."""
    return Message(
        text=item["textElem"]["content"] if item.get("textElem") else json.loads(item["content"])["content"],
        send_id=item["sendID"],
        seq=int(item.get("seq", 0)),
        send_time=int(item["sendTime"]),
        client_msg_id=item["clientMsgID"],
        server_msg_id=item.get("serverMsgID", ""),
        is_read=bool(item.get("isRead", False)),
    )


def _is_text(item: Any) -> bool:
    return isinstance(item, Message) or (isinstance(item, Mapping) and item.get("contentType") == TEXT)
