"""
The way of a call: headers, token, body, authority, handler, answer (OpenIM wire, §6.1).
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import structlog
from aiohttp import web
from google.protobuf.message import Message

from openim_ray.api.answers import CORS, Envelope, failure, protobuf_success, respond, success
from openim_ray.api.bodies import SMALL_BYTES, BodyUnread, is_protobuf, is_small, parse_json, parse_protobuf, read_body
from openim_ray.api.call_metrics import ApiMetrics
from openim_ray.api.route import Call, Route
from openim_ray.config import ApiSection
from openim_ray.domain import errors
from openim_ray.services.assembly import Services
from openim_ray.services.authority import Authority, Caller, require

log = structlog.get_logger(__name__)

_UNKNOWN_PATH: Final = "404: there is no such route\n"

OPERATION_ID_CHARACTERS_MAX: Final = 256
"""A longer operationID is refused: it is stored and sent on with what the call causes."""


class Calls:
    """
    Serves every path of a route table.

    Args:
        services: what handlers call.
        routes: the table, by path.
        settings: limits on body, time and calls at once.
        metrics: where outcomes are counted.
        source_of: tells where a request comes from; failed logins are limited by it.
    """

    def __init__(
        self,
        services: Services,
        routes: Mapping[str, Route[Any]],
        settings: ApiSection,
        metrics: ApiMetrics,
        source_of: Callable[[web.Request], str],
    ) -> None:
        self._services = services
        self._routes = routes
        self._settings = settings
        self._metrics = metrics
        self._source_of = source_of
        self._under_way = 0

    async def answer(self, request: web.Request) -> web.Response:
        """
        Answer any request that no page of the server answers.
        """
        if request.method == "OPTIONS":
            return web.Response(headers=CORS)
        route = self._routes.get(request.path)
        if route is None or request.method != "POST":
            self._metrics.unknown.inc()
            return web.Response(status=404, text=_UNKNOWN_PATH, headers=CORS)
        return await self._answer_call(request, route)

    async def _answer_call(self, request: web.Request, route: Route[Any]) -> web.Response:
        began = time.perf_counter()
        envelope, broken_off = await self._outcome(request, route)
        response = respond(request, envelope)
        self._metrics.count(route.path, envelope.errCode, time.perf_counter() - began)
        if broken_off:
            response.force_close()
        return response

    async def _outcome(self, request: web.Request, route: Route[Any]) -> tuple[Envelope, bool]:
        """Return the answer, and whether part of the request is still unread."""
        try:
            async with asyncio.timeout(self._settings.request_seconds):
                return await self._served(request, route), False
        except BodyUnread as error:
            return failure(error), True
        except errors.OpenIMError as error:
            if error.code == errors.OpenIMError.code:
                self._report(request, route, error)
            return failure(error), False
        except TimeoutError:
            seconds = self._settings.request_seconds
            return failure(errors.Unavailable(f"not answered within {seconds:g} seconds; try again")), True
        except Exception as error:  # noqa: BLE001 - a bug must not take the connection with it
            self._report(request, route, error)
            return failure(errors.OpenIMError("see the server's log")), False

    async def _served(self, request: web.Request, route: Route[Any]) -> Envelope:
        operation_id = _operation_id(request)
        caller = await self._caller(request, route)
        body = await self._body(request, stranger=caller is None)
        protobuf = is_protobuf(request, route)
        message = parse_protobuf(route, body) if protobuf else parse_json(route, body)
        require(route.authority, caller, *route.owners_of(message))
        call = Call(self._services, caller, operation_id, self._source_of(request))
        with self._place():
            answer = await route.handle(call, message)
        if protobuf and isinstance(answer, Message):
            return protobuf_success(answer, route.if_empty)
        return success(answer)

    async def _body(self, request: web.Request, *, stranger: bool) -> bytes:
        """
        Read the body. A large one takes a place meanwhile, which bounds memory; a small one doesn't, or a few clients that dawdle
        could keep everybody from logging in.
        """
        bytes_max = self._settings.body_bytes_max
        if is_small(request):
            return await read_body(request, bytes_max)
        with self._place():
            return await read_body(request, min(bytes_max, SMALL_BYTES) if stranger else bytes_max)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Count a call as under way; Overloaded if there are as many as allowed."""
        if self._under_way >= self._settings.requests_in_flight_max:
            raise errors.Overloaded("too many calls at once; try again")
        self._under_way += 1
        self._metrics.under_way.inc()
        try:
            yield
        finally:
            self._under_way -= 1
            self._metrics.under_way.dec()

    async def _caller(self, request: web.Request, route: Route[Any]) -> Caller | None:
        if route.authority is Authority.NOBODY:
            return None
        token = request.headers.get("token", "")
        if not token:
            raise errors.ArgsError("header must have token")
        return await self._services.tokens.authenticate(token)

    def _report(self, request: web.Request, route: Route[Any], error: Exception) -> None:
        """Log a bug by its kind and place; its text might hold content."""
        self._metrics.faults.inc()
        log.error(
            "call failed",
            path=route.path,
            operation_id=request.headers.get("operationID", ""),
            error=type(error).__name__,
            at=[f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)],
        )


def _operation_id(request: web.Request) -> str:
    operation_id = request.headers.get("operationID", "")
    if not operation_id:
        raise errors.ArgsError("header must have operationID")
    if len(operation_id) > OPERATION_ID_CHARACTERS_MAX or not operation_id.isprintable():
        # What isn't UTF-8 comes as lone surrogates, which are not printable, and can't be sent on.
        raise errors.ArgsError(f"operationID must be at most {OPERATION_ID_CHARACTERS_MAX} printable characters")
    return operation_id
