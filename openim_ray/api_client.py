"""
The HTTP API of the server of a data directory, called as its administrator.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from openim_ray.actors.run_file import RunFileDamaged, no_server, read_run_file
from openim_ray.domain.errors import RecordNotFound, RegisteredAlready, UserIDNotFound
from openim_ray.prepare import SECRET_FILE, data_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openim_ray.config import Config

CALL_SECONDS = 10.0


class CallFailed(Exception):
    """
    There is no server, it does not answer, or it refused; the text is one line.
    """


class Refused(CallFailed):
    """
    The server refused; `code` is the errCode of its answer.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text


class ErasureStatus(NamedTuple):
    """
    How far the erasure of a user has come: `phase` is "tokens", "messages", "relations", "files" or "done".
    """

    user_id: str
    phase: str
    messages: int

    @property
    def is_done(self) -> bool:
        """Whether nothing of hers is left."""
        return self.phase == "done"

    def __str__(self) -> str:
        if self.is_done:
            return f"user {self.user_id} is erased, with {self.messages} messages"
        return f"user {self.user_id} is being erased ({self.phase}; {self.messages} messages so far)"


class ApiClient:
    """
    An administrator's calls.
    """

    def __init__(self, config: Config) -> None:
        data_dir = data_path(config)
        try:
            run = read_run_file(data_dir)
        except RunFileDamaged as error:
            raise CallFailed(str(error)) from error
        if run is None:
            raise CallFailed(no_server(data_dir))
        self.page_url = run.public_api_url or run.api_urls[0]
        self._base = run.api_urls[0]
        self._tls = _trust(config.server.tls_certificate) if self._base.startswith("https") else None
        self._token = ""
        body = {"secret": _secret(config, data_dir), "userID": config.auth.admin_user_ids[0]}
        self._token = str(self._call("/auth/get_admin_token", body)["token"])

    def add_user(self, user_id: str, nickname: str) -> None:
        """Register a user; CallFailed if there is one with this id."""
        try:
            user = {"userID": user_id, "nickname": nickname, "faceURL": ""}
            self._call("/user/user_register", {"users": [user]})
        except Refused as error:
            if error.code == RegisteredAlready.code:
                raise CallFailed(f"user {user_id} exists already") from error
            raise

    def user_token(self, user_id: str, platform: int) -> str:
        """Return a new token of a user for a platform; it may end older ones of the same platform."""
        try:
            return str(self._call("/auth/get_user_token", {"userID": user_id, "platformID": platform})["token"])
        except Refused as error:
            if error.code == RecordNotFound.code:
                raise CallFailed(f"no user {user_id}; `openim-ray user add {user_id}` makes one") from error
            raise

    def disable_user(self, user_id: str) -> None:
        """Log a user out everywhere and let her not log in again; CallFailed if there is no such user."""
        self._call_for(user_id, "/user/disable_user")

    def enable_user(self, user_id: str) -> None:
        """Let a user log in again; CallFailed if there is no such user."""
        self._call_for(user_id, "/user/enable_user")

    def erase_user(self, user_id: str) -> ErasureStatus:
        """Erase a user for good; returns when that is certain to happen. CallFailed if there is no such user."""
        return _erasure_of(self._call_for(user_id, "/user/erase_user"))

    def erasure(self, user_id: str) -> ErasureStatus:
        """Return how far the erasure of a user has come; CallFailed if she is not erased."""
        try:
            return _erasure_of(self._call_for(user_id, "/user/get_erasure"))
        except Refused as error:
            if error.code == RecordNotFound.code:
                raise CallFailed(f"user {user_id} is not erased") from error
            raise

    def _call_for(self, user_id: str, path: str) -> dict[str, Any]:
        try:
            return self._call(path, {"userID": user_id})
        except Refused as error:
            if error.code == UserIDNotFound.code:
                raise CallFailed(f"no user {user_id}") from error
            raise

    def _call(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "operationID": uuid.uuid4().hex, "token": self._token}
        request = urllib.request.Request(self._base + path, json.dumps(body).encode(), headers)  # noqa: S310 - our own URL
        # No proxy of the environment: the server is on this machine.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls)
        )
        try:
            with opener.open(request, timeout=CALL_SECONDS) as response:
                answer = json.load(response)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise CallFailed(f"the server at {self._base} does not answer: {reason}") from error
        if answer["errCode"]:
            detail = answer.get("errDlt") or answer["errMsg"]
            raise Refused(
                int(answer["errCode"]), f"the server refuses ({answer['errCode']} {answer['errMsg']}): {detail}"
            )
        return dict(answer.get("data") or {})


def _erasure_of(answer: Mapping[str, Any]) -> ErasureStatus:
    return ErasureStatus(str(answer["userID"]), str(answer["phase"]), int(answer.get("erasedMessages", 0)))


def _trust(certificate: str) -> ssl.SSLContext:
    """Trust the server's own certificate and nothing else, whoever signed it and whatever name it is for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(certificate)
    except (OSError, ssl.SSLError) as error:
        raise CallFailed(
            f"the server speaks TLS, but its certificate (server.tls_certificate = {certificate!r}) is not readable here"
        ) from error
    return context


def _secret(config: Config, data_dir: Path) -> str:
    configured = config.auth.admin_secret.reveal()
    if configured:
        return configured
    path = data_dir / SECRET_FILE
    try:
        return path.read_text().strip()
    except FileNotFoundError as error:
        raise CallFailed(
            "the admin secret is configured: set OPENIM_ADMIN_SECRET, or --config, as the server has it"
        ) from error
    except OSError as error:
        raise CallFailed(f"admin secret {path} is not readable: {error.strerror}") from error
