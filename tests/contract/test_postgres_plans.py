"""
No query that the stores send to PostgreSQL reads a whole table, but for the one that searches accounts by a part of their name.

Judged by the plans for tables that hold something: in empty ones reading everything is right.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, event

from openim_ray.domain.conversation import Conversation
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.domain.people import User
from openim_ray.domain.read_position import ReadPosition
from openim_ray.ports import Page, TokenRecord
from openim_ray.storage.open import open_directory_store, open_state_store
from openim_ray.storage.places import Places
from tests.contract.accounts import update_user
from tests.contract.directory_queries import ask_groups, ask_people, change_everything, search

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALICE = UserID("u7")
CHAT = ConversationID("si_u7_u8")
PAGE = Page(1, 10)
PEOPLE = 3000

FILL = f"""
INSERT INTO users (user_id, nickname, face_url, ex, create_time, app_manager_level, global_recv_msg_opt)
    SELECT 'u' || n, 'name ' || n, '', '', n, 1, 0 FROM generate_series(1, {PEOPLE}) n;
INSERT INTO friends (owner_user_id, friend_user_id, remark, create_time, add_source, operator_user_id, ex, is_pinned)
    SELECT 'u' || n, 'u' || m, '', n, 0, '', '', false FROM generate_series(1, {PEOPLE}) n, generate_series(1, 5) m;
INSERT INTO blacks (owner_user_id, blocked_user_id, create_time, add_source, operator_user_id, ex)
    SELECT 'u' || n, 'u' || m, n, 0, '', '' FROM generate_series(1, {PEOPLE}) n, generate_series(1, 2) m;
INSERT INTO groups SELECT 'g' || n, '', '', '', '', 0, '', 0, '', 0, 0, 0, 0, 0, '', 5 FROM generate_series(1, 2000) n;
INSERT INTO group_members (group_id, user_id, role_level, join_time, nickname, face_url, join_source, operator_user_id, ex,
                           mute_end_time, inviter_user_id)
    SELECT 'g' || n, 'u' || m, 0, n, '', '', 0, '', '', 0, '' FROM generate_series(1, 2000) n, generate_series(n, n + 4) m;
INSERT INTO group_members (group_id, user_id, role_level, join_time, nickname, face_url, join_source, operator_user_id, ex,
                           mute_end_time, inviter_user_id)
    SELECT 'g7', 'u' || n, 20, n, '', '', 0, '', '', 0, '' FROM generate_series(20, {PEOPLE}) n;
INSERT INTO friend_requests (from_user_id, to_user_id, handle_result, req_msg, create_time, handler_user_id, handle_msg, handle_time, ex)
    SELECT 'u' || n, 'u' || m, 0, '', n, '', '', 0, '' FROM generate_series(1, {PEOPLE}) n, generate_series(n + 1, n + 3) m
    WHERE m <= {PEOPLE};
INSERT INTO group_requests (group_id, user_id, handle_result, req_msg, handle_msg, req_time, handle_user_id, handle_time, ex,
                            join_source, inviter_user_id)
    SELECT 'g' || n, 'u' || m, 0, '', '', n, '', 0, '', 0, '' FROM generate_series(1, 2000) n, generate_series(n, n + 2) m;
INSERT INTO user_commands (user_id, kind, uuid, value, ex, create_time)
    SELECT 'u' || n, m, 'u', '', '', n FROM generate_series(1, {PEOPLE}) n, generate_series(1, 3) m;
INSERT INTO client_config (user_id, key, value)
    SELECT 'u' || n, 'key' || m, '' FROM generate_series(1, {PEOPLE}) n, generate_series(1, 3) m;
INSERT INTO profile_announcements (user_id, operation_id, created_ms, moved_ms, is_nickname_new, is_face_new, are_friends_told, told_through)
    SELECT 'u' || n, '', n, n, true, false, false, '' FROM generate_series(1, {PEOPLE}) n;
INSERT INTO erasures (user_id, phase, conversation_id, seq, messages, created_ms, finished_ms)
    SELECT 'u' || n, 1, '', 0, 0, n, n % 20 FROM generate_series(1, {PEOPLE}) n;
INSERT INTO outbox_logs (home_key, number, waiting_since)
    SELECT 'g' || n, 50, CASE WHEN n % 100 = 7 THEN n END FROM generate_series(1, {PEOPLE}) n;
INSERT INTO outbox (home_key, number, payload, created_ms)
    SELECT home_key, n, '', waiting_since FROM outbox_logs, generate_series(1, 50) n WHERE waiting_since IS NOT NULL;
INSERT INTO conversations (owner_user_id, conversation_id, conversation_type, user_id, group_id, recv_msg_opt, is_pinned,
                           attached_info, is_private_chat, group_at_type, ex, burn_duration, min_seq, max_seq,
                           msg_destruct_time, latest_msg_destruct_time, is_msg_destruct)
    SELECT 'u' || n, 'si_' || n || '_' || m, 1, 'u' || m, '', 0, false, '', false, 0, '', 0, 0, 0, 0, 0, false
    FROM generate_series(1, {PEOPLE}) n, generate_series(1, 5) m;
INSERT INTO version_lists (kind, owner, version_id, version, floor, sort_version)
    SELECT kind, 'u' || n, 'v', 5, 0, 0 FROM generate_series(1, {PEOPLE}) n, generate_series(1, 4) kind;
INSERT INTO version_changes (list_id, element_id, version, change)
    SELECT id, 'u' || m, m, 1 FROM version_lists, generate_series(1, 5) m;
INSERT INTO tokens (digest, user_id, platform_id, state, expires_at)
    SELECT 'd' || n || '_' || m, 'u' || n, m, 0, 1000 + n FROM generate_series(1, {PEOPLE}) n, generate_series(1, 3) m;
INSERT INTO read_positions (user_id, conversation_id, has_read_seq, sent_seen, min_seq)
    SELECT 'u' || n, 'si_' || n || '_' || m, 1, 1, 1 FROM generate_series(1, {PEOPLE}) n, generate_series(1, 5) m;
"""


@pytest.fixture
def full_places(postgres_url: str, data_dir: Path) -> Places:
    """Fill a database, and let the server know what it holds."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(FILL.encode())
        connection.execute("VACUUM ANALYZE")
    return Places(data_dir, directory=postgres_url)


@pytest.fixture
def statements() -> Iterator[dict[str, dict[str, Any]]]:
    """Collect every statement that a store sends, with the last values it was sent with."""
    seen: dict[str, dict[str, Any]] = {}

    def collect(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if isinstance(parameters, (dict, list)) and statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            seen[statement] = parameters[-1] if isinstance(parameters, list) else dict(parameters)

    event.listen(Engine, "before_cursor_execute", collect)
    yield seen
    event.remove(Engine, "before_cursor_execute", collect)


def scans(url: str, statements: dict[str, dict[str, Any]], mode: str) -> dict[str, list[str]]:
    """Return the statements that read a whole table, with its name; as planned for these values, or (generic) for any."""
    found = {}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET plan_cache_mode = {}").format(mode))
        for statement, values in statements.items():
            names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
            places = {f"%({name})s": f"${number}" for number, name in enumerate(names, 1)}
            numbered = re.sub(r"%\(\w+\)s", lambda match, places=places: places[match[0]], statement)
            connection.execute(f"PREPARE one AS {numbered}".encode())
            given = sql.SQL(", ").join(sql.Literal(values[name]) for name in names)
            execute = sql.SQL("EXECUTE one ({})").format(given) if names else sql.SQL("EXECUTE one")
            (plan,) = connection.execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(execute)).fetchone() or ((),)
            connection.execute("DEALLOCATE one")
            whole = [node["Relation Name"] for node in nodes(plan[0]["Plan"]) if node["Node Type"] == "Seq Scan"]
            if whole:
                found[statement] = whole
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Walk through a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


MODES = ("force_custom_plan", "force_generic_plan")


async def test_state_queries(full_places: Places, statements: dict[str, dict[str, Any]]) -> None:
    """Every query of tokens and read positions finds its rows by an index."""
    state = await open_state_store(full_places, clock=lambda: 1001.0)
    await state.save([TokenRecord("d", ALICE, 5, 0, 1)], [(ALICE, {CHAT: ReadPosition(1)})])
    await state.token_state(ALICE, 5, "d")
    await state.tokens(ALICE, 5)
    await state.read_positions(ALICE)
    await state.aclose()

    assert len(statements) == 7
    for mode in MODES:
        assert scans(full_places.directory, statements, mode) == {}


async def test_directory_queries(full_places: Places, statements: dict[str, dict[str, Any]]) -> None:
    """Every query of the directory finds its rows by an index; only searches by a part of a name look at all."""
    directory = await open_directory_store(full_places)
    await directory.register([User(user_id=UserID("new"))])
    await directory.friends_delta(ALICE, "", 0)
    await directory.friends_delta(UserID("new"), "", 0)
    await update_user(directory, ALICE, {"nickname": "Al"})
    await directory.users([ALICE, "u9"])
    await directory.friends(ALICE, PAGE)
    await directory.designated_friends(ALICE, ["u1", "u2"])
    await directory.friend_ids(ALICE)
    await directory.blocked(ALICE, PAGE)
    await directory.joined_group_ids(ALICE)
    await directory.single_chat_facts(ALICE, "u8")
    rows = [
        Conversation(owner_user_id=ALICE, conversation_id=ConversationID(f"c{number}"), conversation_type=1)
        for number in range(1010)
    ]
    await directory.ensure_conversations(rows)  # more than a list remembers
    await directory.conversations(ALICE)
    await directory.conversations(ALICE, [CHAT, "c1"])
    await directory.page_conversations(ALICE, PAGE)
    version, version_id, _ = await directory.conversation_ids(ALICE)
    await directory.conversations_delta(ALICE, version_id, version)
    await directory.members_delta("g7", "", 0)
    await directory.member_ids("g7")
    await directory.joined_groups_delta(ALICE, "", 0)
    await directory.group_chat_facts("g7", ALICE)
    await directory.change(lambda transaction: change_everything(transaction, "g7", ALICE))
    await directory.view(lambda view: ask_people(view, ALICE, ["u9", "u8"]))
    await directory.view(lambda view: ask_groups(view, "g7", ALICE))
    indexed = dict(statements)
    await directory.page_users(PAGE, "a", "")
    await directory.view(search)
    await directory.aclose()

    searches = {statement: values for statement, values in statements.items() if statement not in indexed}
    assert len(indexed) > 80
    for mode in MODES:
        assert scans(full_places.directory, indexed, mode) == {}
        assert ["users"] in scans(full_places.directory, searches, mode).values(), "the plans are not seen"
