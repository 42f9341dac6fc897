"""The page's modules that need no browser, run in Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from openim_ray import web
from openim_ray.domain.group import Role
from openim_ray.protocol.pb import msg_pb2, sdkws_pb2
from openim_ray.services.groups.authority import ALLOWED, KICK, MUTE, Action, Standing

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
PROGRAMS = sorted(HERE.glob("*.test.mjs"))
NODE = shutil.which("node")


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's scripts, in which Node takes them for modules."""
    folder = tmp_path_factory.mktemp("chat")
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    for path, asset in web.chat_page().items():
        if path.endswith(".js"):
            (folder / Path(path).name).write_bytes(asset.content)
    for program in HERE.glob("*.mjs"):
        shutil.copy(program, folder)
    return folder


def run_node(folder: Path, *arguments: str, stdin: str = "") -> str:
    """Run Node in the folder; its output, or a failed test with what it said."""
    if NODE is None:
        pytest.skip("Node is not installed")
    done = subprocess.run(
        [NODE, *arguments], cwd=folder, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_module(modules: Path, program: Path) -> None:
    """Every case in the program holds."""
    output = run_node(modules, "--test", program.name)
    assert "# fail 0" in output
    assert "# pass 0" not in output


@pytest.mark.parametrize("standing", [Standing.OWNER, Standing.ADMIN, Standing.MEMBER], ids=lambda one: one.name)
def test_what_is_offered_is_what_the_server_allows(offered: dict[str, Any], standing: Standing) -> None:
    """No button that is always refused, and none missing."""
    shown = offered[standing.name]
    group = {
        "invite": may(standing, Action.INVITE),
        "change": may(standing, Action.SET_INFO),
        "answer": may(standing, Action.HANDLE_APPLICATION),
        "muteGroup": may(standing, Action.MUTE_GROUP),
        "leave": standing is not Standing.OWNER,  # the one rule that is not in the table
        "dismiss": may(standing, Action.DISMISS),
    }
    assert shown["group"] == group
    assert not any(shown["oneself"].values())
    for role in Role:
        if role.name == standing.name == "OWNER":
            continue  # there is one owner
        over = {
            "kick": role in KICK and may(standing, KICK[role]),
            "mute": may(standing, MUTE[role]),
            "setRole": role is not Role.OWNER and may(standing, Action.SET_ROLE),
        }
        assert shown["over"][role.name] == over


def may(standing: Standing, action: Action) -> bool:
    """Tell whether the server lets somebody do something."""
    return standing in ALLOWED[action]


@pytest.fixture(scope="module")
def offered(modules: Path) -> dict[str, Any]:
    """What the page offers: role of the reader → rights in the group, and over each role."""
    found: dict[str, Any] = json.loads(run_node(modules, "rights.mjs"))
    return found


def test_the_codec_agrees_with_the_protobuf_library(modules: Path) -> None:
    """What the library writes, the page reads and writes again, and the library finds the same in it."""
    message = sdkws_pb2.MsgData(
        sendID="alice",
        recvID="bób 🙂",
        clientMsgID="0123456789abcdef0123456789abcdef",
        sessionType=1,
        msgFrom=100,
        contentType=101,
        content=b'{"content":"\xf0\x9f\x99\x82"}',
        seq=2**53 - 1,
        sendTime=1795564800000,
        isRead=True,
        options={"history": False, "unreadCount": True},
    )
    pulled = sdkws_pb2.PullMessageBySeqsResp()
    pulled.msgs["si_alice_bob"].Msgs.extend([message, sdkws_pb2.MsgData(seq=3, status=4)])
    pulled.msgs["si_alice_bob"].isEnd = True
    pulled.msgs["si_alice_eve"].SetInParent()
    pulled.notificationMsgs["n_alice_bob"].endSeq = -1
    asked = msg_pb2.GetSeqMessageReq(userID="alice", order=1)
    asked.conversations.add(conversationID="si_alice_bob", seqs=[1, 127, 128, 2**40])
    sent = {
        "PulledMessages": pulled.SerializeToString().hex(),
        "GetSeqMessageReq": asked.SerializeToString().hex(),
    }
    back = json.loads(run_node(modules, "reencode.mjs", stdin=json.dumps(sent)))
    assert sdkws_pb2.PullMessageBySeqsResp.FromString(bytes.fromhex(back["PulledMessages"])) == pulled
    assert msg_pb2.GetSeqMessageReq.FromString(bytes.fromhex(back["GetSeqMessageReq"])) == asked
