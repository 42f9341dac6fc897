"""
What every directory promises of announcements: how far others have been told that an account changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.errors import NoPermission, UserIDNotFound
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import ProfileAnnouncement, User

if TYPE_CHECKING:
    from openim_ray.storage.stores import OpenDirectoryStore
    from openim_ray.transactions import DirectoryTransaction


def announcement(user_id: str, moved_ms: int) -> ProfileAnnouncement:
    """Return an announcement of which something has been told."""
    return ProfileAnnouncement(
        user_id=UserID(user_id),
        operation_id="operation",
        created_ms=3,
        moved_ms=moved_ms,
        is_nickname_new=True,
        are_friends_told=True,
        told_through="group",
    )


async def put(people: OpenDirectoryStore, *announcements: ProfileAnnouncement) -> None:
    """Put announcements in one transaction."""

    def use_case(transaction: DirectoryTransaction) -> None:
        for one in announcements:
            transaction.put_profile_announcement(one)

    await people.change(use_case)


async def following(people: OpenDirectoryStore) -> ProfileAnnouncement | None:
    """Return the next one."""
    return await people.view(lambda view: view.next_profile_announcement())


async def test_announcements_take_turns(directory: OpenDirectoryStore) -> None:
    """One a user, replaced as a whole; the one that was moved on longest ago is next, of several the lower id."""
    await directory.register([User(user_id=UserID(name)) for name in ("alice", "bob", "carol")])
    assert await following(directory) is None
    first, second = announcement("alice", 5), announcement("bob", 5)
    await put(directory, second, first, announcement("carol", 6))

    assert await following(directory) == first
    moved = replace(first, moved_ms=7, is_face_new=True, told_through="é")
    await put(directory, moved)
    assert await following(directory) == second
    assert await directory.view(lambda view: view.profile_announcement("alice")) == moved
    for name in ("bob", "carol", "bob"):
        await directory.change(lambda transaction, name=name: transaction.delete_profile_announcement(name))
    assert await directory.view(lambda view: view.profile_announcement("bob")) is None
    assert await following(directory) == moved


async def test_an_announcement_belongs_to_its_transaction(directory: OpenDirectoryStore) -> None:
    """If that fails, nothing is to be told, and nothing forgotten; who doesn't exist has none."""
    await directory.register([User(user_id=UserID("alice")), User(user_id=UserID("bob"))])
    await put(directory, announcement("alice", 5))

    def use_case(transaction: DirectoryTransaction) -> None:
        transaction.put_profile_announcement(announcement("bob", 1))
        transaction.delete_profile_announcement("alice")
        raise NoPermission

    with pytest.raises(NoPermission):
        await directory.change(use_case)
    assert await following(directory) == announcement("alice", 5)
    with pytest.raises(UserIDNotFound):
        await put(directory, announcement("nobody", 5))
