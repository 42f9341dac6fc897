"""Every pair of platforms under every policy for several devices (OpenIM wire, §1.6): connections, and tokens."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest

from openim_ray.config.settings import AuthSection
from openim_ray.core import items
from openim_ray.core.multi_login_policy import rival_platforms
from openim_ray.core.placement import Placement
from openim_ray.core.shard import Shard
from openim_ray.core.shard_settings import ShardSettings
from openim_ray.domain import errors
from openim_ray.domain.token_state import KICKED
from openim_ray.protocol.identifiers import Platform
from tests.unit.services.memory_world import MemoryWorld

# Rows: the platform of the older login, from 1 (IOS) to 11 (HarmonyOS). Columns: that of the newer one. `#`: the older one ends.
# Classes: Mobile 1 2, PC 3 4 7, Web 5, MiniWeb 6, Pad 8 9, Admin 10, HarmonyOS 11.
ENDED: Final = {
    0: """
        ...........
        ...........
        ...........
        ...........
        ...........
        ...........
        ...........
        ...........
        ...........
        ...........
        ...........
    """,
    1: """
        #..........
        .#.........
        ..#........
        ...#.......
        ....#......
        .....#.....
        ......#....
        .......#...
        ........#..
        .........#.
        ..........#
    """,
    4: """
        ##.........
        ##.........
        ..##..#....
        ..##..#....
        ....#......
        .....#.....
        ..##..#....
        .......##..
        .......##..
        .........#.
        ..........#
    """,
    5: """
        ##..##.##.#
        ##..##.##.#
        ...........
        ...........
        ##..##.##.#
        ##..##.##.#
        ...........
        ##..##.##.#
        ##..##.##.#
        ...........
        ##..##.##.#
    """,
}
POLICIES: Final = sorted(ENDED)
PAIRS: Final = list(product(Platform, repeat=2))
WALL_MS: Final = 1_800_000_000_000


def ends(policy: int, older: Platform, newer: Platform) -> bool:
    """Read the table."""
    return ENDED[policy].split()[older - 1][newer - 1] == "#"


def test_the_table_has_a_place_for_every_pair() -> None:
    """Eleven platforms each way, for each of the four policies."""
    assert len(PAIRS) == 121
    assert {len(row) for grid in ENDED.values() for row in grid.split()} == {11}
    assert [len(grid.split()) for grid in ENDED.values()] == [11] * 4


@pytest.mark.parametrize("policy", POLICIES)
def test_a_connection_ends_older_ones_as_the_table_says(policy: int) -> None:
    """It is kicked and its token ends durably, or nothing happens to it; the newer one always stays."""
    shard = Shard(
        "inbox-0",
        Placement(epoch=1, shards=("inbox-0",)),
        {str(number): 1 for number in range(1024)},
        ("persistence-0",),
        ShardSettings(multi_login_policy=policy),
        0.0,
        incarnation="first",
    )
    wrong: list[tuple[Platform, Platform]] = []
    for number, (older, newer) in enumerate(PAIRS):
        user_id = f"user{number}"
        for connection, platform in ((1, older), (2, newer)):
            register = items.Register(
                2 * number + connection,
                user_id,
                connection,
                platform,
                f"{user_id} {connection}",
                7,
                "go",
                WALL_MS,
                connection,
            )
            shard.receive("gateway-0", [register], 100.0, WALL_MS)
        shard.inboxes.inbox_loaded(user_id, [], {}, {}, 100.0, WALL_MS)
        sent = [item for _, item in shard.outbox.take_items()]
        kicked = [item.connections for item in sent if isinstance(item, items.Kick)]
        ended = [item.records for item in sent if isinstance(item, items.SaveTokens)]
        expected = ends(policy, older, newer)
        inbox = shard.inboxes.find(user_id)
        assert inbox is not None
        there = [connection for _, connection in inbox.sessions]
        record = (f"{user_id} 1", user_id, older, KICKED, 7)
        if (kicked, ended, there) != (([[1]], [[record]], [2]) if expected else ([], [], [1, 2])):
            wrong.append((older, newer))
    assert wrong == []


@pytest.mark.parametrize("policy", POLICIES)
def test_connections_of_one_token_spare_each_other(policy: int) -> None:
    """On whatever platform: a page that is loaded twice."""
    for platform in Platform:
        shard = Shard(
            "inbox-0",
            Placement(epoch=1, shards=("inbox-0",)),
            {str(number): 1 for number in range(1024)},
            ("persistence-0",),
            ShardSettings(multi_login_policy=policy),
            0.0,
            incarnation="first",
        )
        for connection in (1, 2):
            register = items.Register(connection, "ann", connection, platform, "token", 7, "go", WALL_MS, connection)
            shard.receive("gateway-0", [register], 100.0, WALL_MS)
        shard.inboxes.inbox_loaded("ann", [], {}, {}, 100.0, WALL_MS)
        assert not [item for _, item in shard.outbox.take_items() if isinstance(item, items.Kick)]


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_new_token_ends_older_ones_as_the_table_says(policy: int) -> None:
    """When it is made; administrators' tokens are made another way, and end none."""
    world = MemoryWorld(AuthSection(multi_login_policy=policy))
    tokens = world.services.tokens
    wrong: list[tuple[Platform, Platform]] = []
    for number, (older, newer) in enumerate(PAIRS):
        if Platform.ADMIN in (older, newer):
            continue
        user_id = f"user{number}"
        world.add_users(user_id)
        first = (await tokens.issue_user_token(user_id, older)).token
        second = (await tokens.issue_user_token(user_id, newer)).token
        await tokens.authenticate(second)
        try:
            await tokens.authenticate(first)
            ended = False
        except errors.TokenKicked:
            ended = True
        if ended is not ends(policy, older, newer):
            wrong.append((older, newer))
    assert wrong == []


@pytest.mark.parametrize("policy", POLICIES)
def test_rivalry_goes_both_ways(policy: int) -> None:
    """Whichever of two logins is the later one; or after a restart it would depend on who registers first."""
    for one, other in PAIRS:
        assert (one in rival_platforms(policy, other)) is (other in rival_platforms(policy, one))


@pytest.mark.parametrize(("policy", "platform"), [(0, Platform.IOS), (0, Platform.LINUX), (5, Platform.LINUX)])
async def test_where_nobody_is_kicked_only_so_many_tokens_of_a_platform_are_kept(
    policy: int, platform: Platform
) -> None:
    """The oldest one is dropped, those of other platforms are not counted, and a dropped one takes no room."""
    world = MemoryWorld(AuthSection(multi_login_policy=policy, tokens_per_platform_max=3))
    world.add_users("ann")
    tokens = world.services.tokens
    other = (await tokens.issue_user_token("ann", Platform.OSX)).token
    issued = [(await tokens.issue_user_token("ann", platform)).token for _ in range(5)]
    for token in issued[:2]:
        with pytest.raises(errors.TokenKicked):
            await tokens.authenticate(token)
    for token in (*issued[2:], other):
        await tokens.authenticate(token)
