"""What users keep, and settings of their clients."""

from __future__ import annotations

import pytest

from openim_ray.domain import errors
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import User, UserStatus
from openim_ray.services import client_configs, user_commands
from openim_ray.services.user_commands import CommandKey
from tests.unit.services.memory_world import START_MS, MemoryWorld
from tests.unit.services.outbox import kinds, waiting
from tests.unit.services.test_friendships import caused_by

KEY = CommandKey("ann", 1, "u")


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server with two users."""
    world = MemoryWorld()
    world.add_users("ann", "ben")
    return world


async def kept(world: MemoryWorld, kind: int | None = None) -> list[tuple[int, str, str, str, int]]:
    """Return what Ann keeps."""
    found = await world.services.user_commands.all("ann", kind)
    return [(one.kind, one.uuid, one.value, one.ex, one.create_time) for one in found]


# --- user commands


async def test_things_are_kept_changed_and_forgotten(world: MemoryWorld) -> None:
    """With their values; each change is told to the user's own devices."""
    commands, cause = world.services.user_commands, caused_by("ann")
    await commands.add(cause, KEY, "v", "e")
    await commands.add(cause, KEY._replace(kind=2), "other", "")
    await commands.update(cause, KEY, "w", None)

    seconds = START_MS // 1000
    assert await kept(world) == [(1, "u", "w", "e", seconds), (2, "u", "other", "", seconds)]
    assert await kept(world, 2) == [(2, "u", "other", "", seconds)]
    assert await world.services.user_commands.all("ben") == []
    await commands.delete(cause, KEY)
    assert await kept(world, 1) == []
    assert await kinds(world) == {"ann_ann": [1305, 1305, 1307, 1306]}
    for told in await waiting(world, "ann_ann"):
        assert told.way == ("ann", "ann", "n_ann_ann")
        assert told.options == {"senderSync"}
        assert told.tips == {"fromUserID": "ann", "toUserID": "ann"}


async def test_a_thing_is_kept_once(world: MemoryWorld) -> None:
    """1003 for the same type and uuid again; the first one stays."""
    await world.services.user_commands.add(caused_by("ann"), KEY, "v", "")
    with pytest.raises(errors.DuplicateKey, match="uuid"):
        await world.services.user_commands.add(caused_by("ann"), KEY, "w", "")
    assert [one[2] for one in await kept(world)] == ["v"]


async def test_what_is_not_kept_cannot_be_changed(world: MemoryWorld) -> None:
    """1004, for another's thing, too."""
    await world.services.user_commands.add(caused_by("ann"), KEY, "v", "")
    for key in (KEY._replace(uuid="x"), KEY._replace(kind=2), KEY._replace(user_id="ben")):
        with pytest.raises(errors.RecordNotFound, match="uuid"):
            await world.services.user_commands.update(caused_by("ann"), key, "w", None)
        with pytest.raises(errors.RecordNotFound, match="uuid"):
            await world.services.user_commands.delete(caused_by("ann"), key)


@pytest.mark.parametrize(
    ("key", "value", "ex", "code", "field"),
    [
        (KEY._replace(uuid=""), "", "", 1001, "uuid"),
        (KEY._replace(uuid="x" * 256), "", "", 1001, "uuid"),
        (KEY, "x" * 16_385, "", 1001, "value"),
        (KEY, "", "x" * 16_385, 1001, "ex"),
        (KEY._replace(user_id="nobody"), "", "", 1101, "userID"),
    ],
)
async def test_a_bad_thing_is_not_kept(
    world: MemoryWorld, key: CommandKey, value: str, ex: str, code: int, field: str
) -> None:
    """The refusal names the field."""
    with pytest.raises(errors.OpenIMError, match=field) as caught:
        await world.services.user_commands.add(caused_by("ann"), key, value, ex)
    assert caught.value.code == code
    assert await kept(world) == []


async def test_who_was_erased_keeps_nothing(world: MemoryWorld) -> None:
    """1101, as for somebody who never was."""
    erased = User(user_id=UserID("ann"), status=UserStatus.ERASED)
    await world.directory.change(lambda transaction: transaction.put_user(erased))
    with pytest.raises(errors.UserIDNotFound, match="userID"):
        await world.services.user_commands.add(caused_by("imAdmin"), KEY, "v", "")


async def test_what_a_user_keeps_has_a_limit(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """1001 with the number, because all of it is read at once."""
    monkeypatch.setattr(user_commands, "COMMANDS_MAX", 1)
    await world.services.user_commands.add(caused_by("ann"), KEY, "v", "")
    with pytest.raises(errors.ArgsError, match="the user keeps 1 things"):
        await world.services.user_commands.add(caused_by("ann"), KEY._replace(uuid="v"), "", "")


# --- client config


async def test_settings_of_everybody_hold_where_a_user_has_none(world: MemoryWorld) -> None:
    """Her own ones win, and are gone when deleted."""
    configs = world.services.client_configs
    await configs.put("", {"theme": "light", "size": "12"})
    await configs.put("ann", {"theme": "dark"})

    assert await configs.find("ann") == {"theme": "dark", "size": "12"}
    assert await configs.find("ben") == {"theme": "light", "size": "12"}
    await configs.delete("ann", ["theme", "unknown"])
    assert await configs.find("ann") == {"theme": "light", "size": "12"}
    assert await configs.find("nobody") == await configs.find("ben")


async def test_settings_come_by_page(world: MemoryWorld) -> None:
    """All, or those of a user or a key."""
    configs = world.services.client_configs
    await configs.put("ann", {"a": "1", "b": "2"})
    await configs.put("ben", {"a": "3"})

    assert await configs.page("", "a", 1, 10) == (2, [("ann", "a", "1"), ("ben", "a", "3")])
    assert (await configs.page("ann", "", 2, 1))[1] == [("ann", "b", "2")]
    assert (await configs.page("", "", 1, 2))[0] == 3


@pytest.mark.parametrize(
    ("user_id", "values", "code", "field"),
    [
        ("ann", {}, 1001, "configs"),
        ("ann", {"": "x"}, 1001, "configs"),
        ("ann", {"k" * 256: "x"}, 1001, "configs"),
        ("ann", {"k": "x" * 16_385}, 1001, "configs"),
        ("ann", {"a": "", "b": "", "c": ""}, 1001, "configs"),
        ("nobody", {"k": "x"}, 1101, "userID"),
    ],
)
async def test_bad_settings_are_refused(
    world: MemoryWorld,
    user_id: str,
    values: dict[str, str],
    code: int,
    field: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The refusal names the field, and nothing is kept."""
    monkeypatch.setattr(client_configs, "CONFIGS_MAX", 2)
    with pytest.raises(errors.OpenIMError, match=field) as caught:
        await world.services.client_configs.put(user_id, values)
    assert caught.value.code == code
    assert await world.services.client_configs.find("ann") == {}


@pytest.mark.parametrize("keys", [[], [""], ["k" * 256], ["a"] * 257])
async def test_bad_keys_are_refused(world: MemoryWorld, keys: list[str]) -> None:
    """1001 naming the field."""
    with pytest.raises(errors.ArgsError, match="keys"):
        await world.services.client_configs.delete("ann", keys)


@pytest.mark.parametrize(("number", "size"), [(0, 1), (1, 0), (1, 10**9)])
async def test_pages_of_settings_have_bounds(world: MemoryWorld, number: int, size: int) -> None:
    """1001 naming the field."""
    with pytest.raises(errors.ArgsError, match="pagination"):
        await world.services.client_configs.page("", "", number, size)
