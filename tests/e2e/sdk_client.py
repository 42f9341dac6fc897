"""
The official SDKs for browsers as clients under test: wasm in a page of Chromium, pure JavaScript in Node.

Both have the same methods and callbacks, so one class drives them; a `Seat` is where one of them sits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from tests.e2e.browser import Page
from tests.e2e.channel import EventHandler
from tests.e2e.client import Account, Client, Endpoints, HistoryPage, Message, message_of, texts_of
from tests.e2e.node_process import NodeProcess

SINGLE_CHAT = 1
LOG_ERRORS_ONLY = 2


class Seat(ABC):
    """Where an SDK runs."""

    @abstractmethod
    async def sdk(self, method: str, *params: Any) -> Any:
        """Call a method of the SDK; CallError with the SDK's code if it rejects."""

    @abstractmethod
    async def close(self) -> None:
        """End the SDK without a logout."""


class SdkClient(Client):
    """A client made of one of the SDKs for browsers."""

    def __init__(self, account: Account, endpoints: Endpoints) -> None:
        super().__init__(account)
        self._endpoints = endpoints
        self._seat: Seat | None = None

    def take(self, seat: Seat) -> None:
        """Let this client's SDK run there."""
        self._seat = seat

    async def start(self) -> None:
        """Call the SDK's login."""
        await self.sdk(
            "login",
            {
                "userID": self.user_id,
                "token": self.account.token,
                "platformID": self.account.platform,
                "wsAddr": self._endpoints.ws_url,
                "apiAddr": self._endpoints.api_url,
                "logLevel": LOG_ERRORS_ONLY,
            },
        )

    async def sdk(self, method: str, *params: Any) -> Any:
        """Call any method of the SDK and return its `data`; CallError with the SDK's code if it rejects."""
        assert self._seat is not None
        return await self._seat.sdk(method, *params)

    async def send_text(self, peer: str, text: str) -> Message:
        """Make a text message and send it."""
        message = await self.sdk("createTextMessage", text)
        return message_of(await self.sdk("sendMessage", {"recvID": peer, "groupID": "", "message": message}))

    async def history(self, peer: str, count: int, before: Message | None = None) -> HistoryPage:
        """Ask the SDK for a page of history; it asks the server for what it lacks."""
        page = await self.sdk(
            "getAdvancedHistoryMessageList",
            {
                "conversationID": self.chat_with(peer),
                "startClientMsgID": before.client_msg_id if before else "",
                "count": count,
                "viewType": 0,
            },
        )
        return HistoryPage(texts_of(page["messageList"] or []), bool(page["isEnd"]))

    async def unread(self, peer: str) -> int:
        """Return the unread count that the SDK shows for the chat with `peer`."""
        row = await self.sdk("getOneConversation", {"sourceID": peer, "sessionType": SINGLE_CHAT})
        return int(row["unreadCount"])

    async def mark_read(self, peer: str) -> None:
        """Mark the chat with `peer` as read."""
        await self.sdk("markConversationMessageAsRead", self.chat_with(peer))

    async def receipt_of(self, message: Message, *, after: int = 0) -> None:
        """Wait until the SDK tells that the peer has read `message`."""
        await self.events.wait(
            lambda event: (
                event.name == "OnRecvC2CReadReceipt"
                and any(message.client_msg_id in receipt["msgIDList"] for receipt in event.data["data"])
            ),
            f"receipt of {message.text!r}",
            after=after,
        )

    async def logout(self) -> None:
        """Call the SDK's logout."""
        await self.sdk("logout")

    async def close(self) -> None:
        """Leave the page, or end the client in its process."""
        if self._seat is not None:
            await self._seat.close()
            self._seat = None


class WasmSeat(Seat):
    """The wasm SDK in a page. Its profile decides what it finds in storage: seats in one page are visits of one browser."""

    def __init__(self, page: Page) -> None:
        self._page = page

    @classmethod
    async def open(cls, page: Page, on_event: EventHandler, clock_shift: int = 0) -> WasmSeat:
        """Load the SDK anew, its clock off by `clock_shift` milliseconds."""
        page.listen(on_event)
        await page.open_sdk(clock_shift)
        return cls(page)

    async def sdk(self, method: str, *params: Any) -> Any:
        """Call a method of the SDK in the page."""
        return await self._page.sdk(method, *params)

    async def close(self) -> None:
        """Leave the page for an empty one; its profile stays."""
        await self._page.leave_sdk()


class NodeSeat(Seat):
    """The pure JavaScript SDK in a Node process."""

    def __init__(self, process: NodeProcess, name: str, *, alone: bool) -> None:
        self._process = process
        self._name = name
        self._alone = alone

    @classmethod
    async def share(cls, process: NodeProcess, on_event: EventHandler, build: str) -> NodeSeat:
        """Make a client from a build of the SDK (`sdk/js_client.mjs`) in a process that others use, too."""
        return cls(process, await process.open(build, on_event), alone=False)

    @classmethod
    async def open(cls, on_event: EventHandler, clock_shift: int, build: str) -> NodeSeat:
        """Make one in a process of its own, its clock off by `clock_shift` milliseconds."""
        process = await NodeProcess.start(clock_shift)
        return cls(process, await process.open(build, on_event), alone=True)

    async def sdk(self, method: str, *params: Any) -> Any:
        """Call a method of the SDK in the process."""
        return await self._process.sdk(self._name, method, *params)

    async def close(self) -> None:
        """End the client, and the process if it was its own."""
        await (self._process.close() if self._alone else self._process.drop(self._name))
