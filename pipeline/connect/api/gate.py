"""The middleware before every endpoint: token, scope, rate, and the number of requests in hand."""

import time
from collections import Counter
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.base.http_problems import problem
from pipeline.base.token_bucket import TokenBucket
from pipeline.connect.api.access import OPEN, ApiTokens, Program, scope_of
from pipeline.settings import Api

BURST_SECONDS = 5.0
"""A program may send the requests of this time at once."""


class Gate:
    """Refuses requests before their body is read. The app finds the program in `request.state.program`."""

    def __init__(
        self, app: ASGIApp, tokens: ApiTokens, settings: Api, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._settings = settings
        self._ticks = ticks
        self._buckets: dict[int, TokenBucket] = {}
        self._waiting: Counter[int] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope).getlist("authorization")
        program = self._tokens.program(headers) or await self._tokens.stored(headers)
        if program is None:
            await problem("No valid token. Send the header Authorization: Bearer <token>.", 401)(scope, receive, send)
        elif (needed := scope_of(scope["path"])) and needed not in program.scopes:
            await problem(f"The token does not have the scope {needed}. Add it in api.tokens.", 403)(
                scope, receive, send
            )
        elif refusal := self._refusal(program):
            await problem(refusal, 429)(scope, receive, send)
        else:
            await self._admit(program, scope, receive, send)

    def _refusal(self, program: Program) -> str | None:
        """Return why the program has to wait."""
        rate, most = self._settings.max_requests_per_second, self._settings.max_waiting
        bucket = self._buckets.setdefault(
            program.number, TokenBucket(rate, max(1.0, rate * BURST_SECONDS), self._ticks)
        )
        if not bucket.take(1):
            return f"More than {rate:g} requests a second. Send fewer, or more texts in each."
        if self._waiting[program.number] >= most:
            return f"{most} requests of this token wait for their answers. Send the next one after an answer."
        return None

    async def _admit(self, program: Program, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["program"] = program
        self._waiting[program.number] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._waiting[program.number] -= 1
