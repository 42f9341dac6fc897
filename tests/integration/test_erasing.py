"""
A user is erased on running servers: what she wrote and was called is searched for in all their stores, byte by byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bson
import psycopg
import pytest
from pymongo import MongoClient

from openim_ray.domain.conversation import single_chat_id
from openim_ray.domain.erasure import Erasure
from openim_ray.domain.people import UserStatus
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.sdkws_pb2 import MsgData, PullMessageBySeqsReq, PullMessageBySeqsResp
from tests.e2e.program import run
from tests.e2e.server import ApiError, Server
from tests.integration.connection import Connection, Refused, text_message
from tests.integration.people import People
from tests.servers.databases import DatabaseServers, database_servers

DELETED, SUCCESS = 4, 2
MESSAGES = 2100
"""More than twice as many as are erased at once: behind the first of them it is killed, and it must be seen in time."""

WAIT_SECONDS = 60.0

SOON = {
    "OPENIM_PERSISTENCE_APPEND_DEADLINE_SECONDS": "1",
    "OPENIM_API_REQUEST_SECONDS": "2",
    "OPENIM_GATEWAY_FRAMES_BURST_MAX": str(2 * MESSAGES),
}
"""What is under way has ended sooner, so that the erasure begins sooner; and she may say all of it at once."""


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServers]:
    """MongoDB and PostgreSQL."""
    with database_servers(tmp_path_factory.mktemp("databases")) as servers:
        yield servers


@contextlib.contextmanager
def started(folder: Path, environment: dict[str, str]) -> Iterator[Server]:
    """Run a server."""
    server = Server(folder, environment={**SOON, **environment})
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Story:
    """
    What alice said to bob, carol and their groups, everywhere where something can be said; each of her words holds `secret`.
    """

    def __init__(self, server: Server, people: People) -> None:
        self.server = server
        self.people = people
        self.secret = f"secret-{uuid.uuid4().hex}"
        self.group_id = ""

    async def tell(self) -> None:
        """Let it happen."""
        self.alice, self.bob, self.carol = [await self.people.connect(name) for name in ("alice", "bob", "carol")]
        self.chat = single_chat_id(self.alice.user_id, self.bob.user_id)
        await self._call(
            "/user/update_user_info_ex",
            userInfo={"userID": self.alice.user_id, **self._words("nickname", "faceURL", "ex")},
        )
        await self._befriend()
        await self._keep()
        await self._meet_in_groups()
        await self._chat()

    async def _befriend(self) -> None:
        alice, bob, carol = self.alice.user_id, self.bob.user_id, self.carol.user_id
        await self._call("/friend/add_friend", fromUserID=alice, toUserID=bob, **self._words("reqMsg", "ex"))
        await self._call("/friend/add_friend_response", fromUserID=alice, toUserID=bob, handleResult=1, handleMsg="yes")
        await self._call("/friend/add_friend", fromUserID=carol, toUserID=alice, reqMsg="please")
        answer = {"fromUserID": carol, "toUserID": alice, "handleResult": 1, **self._words("handleMsg")}
        await self._call("/friend/add_friend_response", **answer)
        await self._call("/friend/set_friend_remark", ownerUserID=alice, friendUserID=bob, **self._words("remark"))
        await self._call("/friend/add_black", ownerUserID=alice, blackUserID=carol, **self._words("ex"))

    async def _keep(self) -> None:
        command = {"userID": self.alice.user_id, "type": 1, "uuid": "one", **self._words("value", "ex")}
        await self._call("/user/process_user_command_add", **command)
        await self._call("/user/set_user_client_config", userID=self.alice.user_id, configs=self._words("theme"))

    async def _meet_in_groups(self) -> None:
        """Her own group; bob's, into which he lets her after she applied; and his, into which he invites her."""
        alice, bob, carol = self.alice.user_id, self.bob.user_id, self.carol.user_id
        made = await self._call(
            "/group/create_group",
            memberUserIDs=[carol],
            adminUserIDs=[bob],
            ownerUserID=alice,
            groupInfo={"groupName": "hers", "groupType": 2},
        )
        self.group_id = made["groupInfo"]["groupID"]
        card = {"groupID": self.group_id, "userID": alice, **self._words("nickname", "faceURL", "ex")}
        await self._call("/group/set_group_member_info", members=[card])
        for members, verification in (([], 1), ([alice], 0)):
            info = {"groupName": "his", "groupType": 2, "needVerification": verification}
            made = await self._call("/group/create_group", memberUserIDs=members, ownerUserID=bob, groupInfo=info)
        asked = await self._call(
            "/group/create_group",
            ownerUserID=bob,
            memberUserIDs=[carol],
            groupInfo={"groupName": "asked", "groupType": 2, "needVerification": 1},
        )
        asked_id = asked["groupInfo"]["groupID"]
        token = self.alice.account.token
        await asyncio.to_thread(
            self.server.call,
            "/group/join_group",
            {"groupID": asked_id, "joinSource": 3, **self._words("reqMessage", "ex")},
            token,
        )
        await self._call(
            "/group/group_application_response",
            groupID=asked_id,
            fromUserID=alice,
            handledMsg="welcome",
            handleResult=1,
        )

    async def _chat(self) -> None:
        start = asyncio.Semaphore(100)

        async def send(number: int) -> None:
            async with start:
                await self.alice.send_message(self._message(f"{self.secret} {number}"))

        await asyncio.gather(*(send(number) for number in range(MESSAGES)))
        await self.bob.send_text(self.alice.user_id, "what bob said")
        message = self._message(self.secret)
        message.sessionType, message.groupID, message.recvID = 3, self.group_id, ""
        await self.alice.send_message(message)

    def _message(self, text: str) -> MsgData:
        personal = {"senderNickname": self.secret, "attachedInfo": self.secret, "ex": self.secret}
        message = text_message(self.alice.user_id, self.bob.user_id, text, **personal)
        message.offlinePushInfo.title = self.secret
        return message

    def _words(self, *names: str) -> dict[str, Any]:
        return dict.fromkeys(names, self.secret)

    async def _call(self, path: str, **body: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self.server.call, path, body)

    # --- what is left of it

    async def begin(self) -> dict[str, Any]:
        """Erase her."""
        return await self._call("/user/erase_user", userID=self.alice.user_id)

    async def erasure(self) -> dict[str, Any]:
        """Return how far it has come."""
        return await self._call("/user/get_erasure", userID=self.alice.user_id)

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the erasure has come so far."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition(found := await self.erasure()):  # noqa: ASYNC110 - the server tells of no progress
                await asyncio.sleep(0.02)
        return found

    async def check(self) -> None:
        """Check what others see, and that her id is taken for ever."""
        rows = await self._pull(self.bob, self.chat)
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        hers = [row for row in rows if row.sendID == self.alice.user_id and row.contentType == 101]
        assert len(hers) == MESSAGES
        assert {(row.status, row.content, row.senderNickname) for row in hers} == {(DELETED, b"", "")}
        assert [
            json.loads(row.content)["content"]
            for row in rows
            if row.sendID == self.bob.user_id and row.contentType == 101
        ] == ["what bob said"]
        members = (
            await self._call(
                "/group/get_group_member_list", groupID=self.group_id, pagination={"pageNumber": 1, "showNumber": 10}
            )
        )["members"]
        assert {member["userID"]: member["roleLevel"] for member in members} == {
            self.bob.user_id: 100,
            self.carol.user_id: 20,
        }
        assert not (await self._call("/friend/is_friend", userID1=self.alice.user_id, userID2=self.bob.user_id))[
            "inUser2Friends"
        ]
        (user,) = (await self._call("/user/get_users_info", userIDs=[self.alice.user_id]))["usersInfo"]
        assert (user["nickname"], user["faceURL"], user["ex"]) == ("", "", "")
        for path, body in (
            ("/user/user_register", {"users": [{"userID": self.alice.user_id, "nickname": "again"}]}),
            ("/auth/get_user_token", {"userID": self.alice.user_id, "platformID": 5}),
        ):
            with pytest.raises(ApiError):
                await self._call(path, **body)
        with pytest.raises(Refused):
            await self.bob.send_text(self.alice.user_id, "are you there?")

    async def _pull(self, client: Connection, chat: str) -> list[MsgData]:
        rows: list[MsgData] = []
        for begin in range(1, MESSAGES + 100, 100):
            request = PullMessageBySeqsReq(userID=client.user_id)
            request.seqRanges.add(conversationID=chat, begin=begin, end=begin + 99, num=100)
            answer = await client.ask(RequestIdentifier.PULL_MSG_BY_RANGE, request, PullMessageBySeqsResp)
            rows += answer.msgs[chat].Msgs
        return rows


async def erase_with_kills(story: Story) -> None:
    """Erase her; the process that does it is killed before it begins and in the middle."""
    begun = await story.begin()
    assert (begun["phase"], begun["erasedMessages"], begun["endTime"]) == ("messages", 0, 0)
    await story.alice.ended()
    await asyncio.to_thread(story.server.kill_actor, "PersistenceActor")
    seen = await story.until(lambda found: found["erasedMessages"] > 0)
    await asyncio.to_thread(story.server.kill_actor, "PersistenceActor")
    assert seen["phase"] == "messages", "it was killed in the middle"
    await story.until(lambda found: found["phase"] == "done")
    waited = await asyncio.to_thread(run, story.server, "user", "erase", story.alice.user_id, "--wait")
    assert waited.status == 0, waited
    assert f"user {story.alice.user_id} is erased" in waited.out


async def check_is_clean(server: Server) -> None:
    """Let `check` read all stores."""
    found = await asyncio.to_thread(run, server, "check")
    assert found.status == 0, found


@pytest.mark.timeout(300)
async def test_sqlite_forgets_her(tmp_path: Path) -> None:
    """No file of the data directory holds a word of hers, beside a running server."""
    with started(tmp_path, {}) as server:
        people = People(server)
        dora = await people.connect("dora")
        await asyncio.to_thread(leave_half_begun, server, dora.user_id)
        story = Story(server, people)
        await story.tell()
        await dora.ended()  # her device may not go on for ever
        with pytest.raises(ApiError, match="1506"):
            await asyncio.to_thread(server.call, "/auth/parse_token", {"token": dora.account.token})

        def holding() -> list[str]:
            files = [path for path in sorted(server.data_dir.rglob("*")) if path.is_file()]
            return sorted(
                {path.name.removesuffix("-wal") for path in files if story.secret.encode() in path.read_bytes()}
            )

        assert holding() == ["directory.db", "messages.db"]
        await erase_with_kills(story)
        assert holding() == []
        await story.check()
        await people.close()
        await check_is_clean(server)


@pytest.mark.timeout(300)
async def test_database_servers_forget_her(tmp_path: Path, databases: DatabaseServers) -> None:
    """No document and no row holds a word of hers."""
    with started(tmp_path, databases.environment) as server:
        people = People(server)
        story = Story(server, people)
        await story.tell()
        secret = story.secret.encode()
        async with asyncio.timeout(WAIT_SECONDS):
            while not tables_holding(databases.environment["OPENIM_STORAGE_HISTORY_URL"], secret):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.2)

        def holding() -> set[str]:
            environment = databases.environment
            found = collections_holding(environment["OPENIM_STORAGE_MESSAGES_URL"], secret)
            for store in ("DIRECTORY", "HISTORY"):
                found |= tables_holding(environment[f"OPENIM_STORAGE_{store}_URL"], secret)
            return found

        assert holding() >= {
            "messages",
            "history_messages",
            "users",
            "friend_requests",
            "group_requests",
            "group_members",
            "user_commands",
            "client_config",
            "friends",
            "blacks",
        }
        await erase_with_kills(story)
        assert holding() == set()
        await story.check()
        await people.close()
        await check_is_clean(server)


def leave_half_begun(server: Server, user_id: str) -> None:
    """Let the directory hold what a call leaves there that dies before it has ended tokens."""
    with contextlib.closing(sqlite3.connect(server.data_dir / "directory.db", timeout=30)) as database, database:
        database.execute("UPDATE users SET status = ? WHERE user_id = ?", (int(UserStatus.ERASED), user_id))
        begun = asdict(Erasure(user_id=user_id, created_ms=time.time_ns() // 1_000_000))
        columns, places = ", ".join(begun), ", ".join("?" * len(begun))
        database.execute(f"INSERT INTO erasures ({columns}) VALUES ({places})", tuple(begun.values()))


def collections_holding(url: str, secret: bytes) -> set[str]:
    """Return which collections of a MongoDB hold a text anywhere."""
    with MongoClient[dict[str, Any]](url) as client:
        database = client.get_default_database()
        names = database.list_collection_names()
        return {name for name in names if any(secret in bson.encode(one) for one in database[name].find())}


def tables_holding(url: str, secret: bytes) -> set[str]:
    """Return which tables of a PostgreSQL hold a text in any column."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
        found = set()
        for (table,) in tables:
            rows = connection.execute(psycopg.sql.SQL("SELECT * FROM {}").format(psycopg.sql.Identifier(table)))
            values = (value for row in rows for value in row)
            if any(secret in (value if isinstance(value, bytes) else str(value).encode()) for value in values):
                found.add(table)
        return found
