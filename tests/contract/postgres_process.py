"""
Race another process of this program for the same accounts, rows and lists; print what was won, one JSON object.

Run: python postgres_process.py URL NAME
It says "ready", and begins when it is told to by a line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from openim_ray.domain.conversation import Conversation, single_chat_id
from openim_ray.domain.errors import RegisteredAlready, Unavailable
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import User
from openim_ray.storage.open import open_directory_store
from openim_ray.storage.places import Places
from tests.contract.accounts import update_user

ALICE, BOB = UserID("alice"), UserID("bob")
ACCOUNTS = ROWS = STEPS = 15


async def main(url: str, name: str) -> None:
    """Do everything, several calls at a time."""
    store = await open_directory_store(Places(Path("/nowhere"), directory=url))
    await store.users([ALICE])
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    won = []

    async def register(number: int) -> None:
        try:
            await patiently(lambda: store.register([User(user_id=UserID(f"u{number}"), nickname=name)]))
        except RegisteredAlready:
            return
        won.append(number)

    async def ensure(number: int) -> None:
        row = Conversation(
            owner_user_id=ALICE, conversation_id=single_chat_id(ALICE, f"u{number}"), conversation_type=1
        )
        await patiently(lambda: store.ensure_conversations([row]))

    async def step(number: int) -> None:
        await patiently(lambda: update_user(store, BOB, {"nickname": f"{name} {number}"}))

    await asyncio.gather(*map(register, range(ACCOUNTS)), *map(ensure, range(ROWS)), *map(step, range(STEPS)))
    print(json.dumps(won), flush=True)
    await store.aclose()


async def patiently(call: object) -> None:
    """Make a call again while the store is too busy; it says so only for what certainly wasn't done here: nothing is cut off."""
    while True:
        try:
            await call()  # type: ignore[operator]
        except Unavailable:
            continue
        return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
