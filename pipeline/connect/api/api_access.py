"""Who may call what: tokens with scopes, and the middleware that checks them before every endpoint.

It also limits the rate of a program, and the number of its requests in hand.
"""

import hmac
import math
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import get_args

from starlette import types
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders

from pipeline.base.errors import ConfigError
from pipeline.base.http_problems import TooManyError, problem
from pipeline.base.network_access import is_loopback
from pipeline.base.rate_limits import TokenBucket
from pipeline.review.accounts import api_tokens
from pipeline.review.database import Database
from pipeline.settings import Api, Scope

TEXTS = "/v1/moderations"
OPEN = frozenset({"/healthz", "/openapi.json"})
"""Paths that need no token."""

SCOPES: tuple[tuple[str, Scope], ...] = (
    (TEXTS, "moderate"),
    ("/v1/audio/", "moderate"),
    ("/v1/models", "moderate"),
    ("/v1/cases", "cases"),
    ("/v1/verdicts", "verdicts"),
)
"""The scope that a path needs, by the start of the path. To change a case, a program needs the scope `decide`."""

NUMBER_BYTES = 7
"""Bytes of a program's number: the database has signed numbers of 8 bytes."""

BURST_SECONDS = 5.0
"""A program may send the requests of this time at once."""

EXAMPLE = """VOXWARDEN_API__TOKENS='[{"token": "<long random text>", "scopes": ["moderate"]}]'"""

NOT_KNOWN = (
    "No valid token. Send the header Authorization: Bearer <token>, with a token of api.tokens or `voxwarden tokens`."
)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that calls the API. `number` belongs to its token alone, also after a restart."""

    number: int
    scopes: frozenset[str]


class ApiTokens:
    """The accepted tokens. If none is set, one with all scopes is generated on loopback; show `generated` once.

    Tokens that the console's page or `voxwarden tokens` made are in the `database`. Raises ConfigError if no token is
    set and the address is not loopback. `clock` returns UTC seconds.
    """

    def __init__(self, settings: Api, database: Database | None = None, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self._clock = clock
        known = [(each.token.get_secret_value(), each.scopes) for each in settings.tokens]
        if not known and not is_loopback(settings.host):
            raise ConfigError(
                f"The API on {settings.host} has no token, so anyone could use it", f"Set one: {EXAMPLE}."
            )
        self.generated = None if known else secrets.token_urlsafe(24)
        if self.generated:
            known = [(self.generated, frozenset(get_args(Scope)))]
        self._known = [(token.encode(), Program(_number(token), scopes)) for token, scopes in known]

    def program(self, headers: Sequence[str]) -> Program | None:
        """Return the program of the settings whose token the only `Authorization` header holds."""
        given = _bearer(headers).encode(errors="surrogateescape")
        # Every token is compared, in constant time: the run time must not reveal a token.
        found = [program for known, program in self._known if hmac.compare_digest(given, known)]
        return found[0] if found else None

    async def stored(self, headers: Sequence[str]) -> Program | None:
        """Return the program of the database whose token the only `Authorization` header holds."""
        token = _bearer(headers)
        # Other tokens cannot be in the database, so a flood of wrong tokens costs no query.
        if self.database is None or not token.startswith(api_tokens.START):
            return None
        return await run_in_threadpool(self._stored, self.database, token)

    def _stored(self, database: Database, token: str) -> Program | None:
        now = self._clock()
        with database.read() as connection:
            found = api_tokens.find_token(connection, token, now)
        # Once a minute and in its own transaction: a write for each request would queue behind other writers.
        if found and api_tokens.touch_is_due(found, now):
            with database.write() as connection:
                api_tokens.touch_token(connection, found, now)
        return Program(_number(found.id), found.scopes) if found else None


def _number(token: str) -> int:
    # Not the place of the token in the settings: its recordings would be another token's after a change.
    return int.from_bytes(sha256(token.encode()).digest()[:NUMBER_BYTES])


def _bearer(headers: Sequence[str]) -> str:
    """Return the token of the only `Authorization` header; empty if there is none."""
    if len(headers) != 1:  # of two headers, a proxy in front may have checked the other one
        return ""
    scheme, _, token = headers[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def scope_of(method: str, path: str) -> Scope | None:
    """Return the scope that a request needs; None if every token will do."""
    needed = next((scope for start, scope in SCOPES if path.startswith(start)), None)
    return "decide" if needed == "cases" and method in {"POST", "DELETE"} else needed


class Gate:
    """Refuses requests before their body is read. The app finds the program in `request.state.program`."""

    def __init__(
        self,
        app: types.ASGIApp,
        tokens: ApiTokens,
        settings: Api,
        check_texts: Callable[[int], None],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`check_texts` raises TooManyError if the program with this number may send no texts now."""
        self._app = app
        self._check_texts = check_texts
        self._tokens = tokens
        self._settings = settings
        self._ticks = ticks
        self._buckets: dict[int, TokenBucket] = {}
        self._waiting: Counter[int] = Counter()

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope).getlist("authorization")
        # The settings come first: they need no database, so their programs go on while it is down.
        program = self._tokens.program(headers) or await self._tokens.stored(headers)
        if program is None:
            await problem(NOT_KNOWN, 401)(scope, receive, send)
        elif (needed := scope_of(scope["method"], scope["path"])) and needed not in program.scopes:
            await problem(f"The token does not have the scope {needed}. Add it in api.tokens.", 403)(
                scope, receive, send
            )
        # Last, so that only accepted requests use up the rate of a program.
        else:
            # One bucket a token, made at its first request. Only accepted tokens get here, so they stay few.
            rate, burst = self._settings.max_requests_per_second, self._burst
            bucket = self._buckets.setdefault(program.number, TokenBucket(rate, burst, self._ticks))
            send = self._naming_limit(bucket, send)
            try:
                self._check_rate(program, bucket, scope["path"])
            except TooManyError as error:
                await problem(str(error), 429, error.retry_seconds)(scope, receive, send)
                return
            await self._admit(program, scope, receive, send)

    @property
    def _burst(self) -> float:
        return max(1.0, self._settings.max_requests_per_second * BURST_SECONDS)

    def _naming_limit(self, bucket: TokenBucket, send: types.Send) -> types.Send:
        """Return a `send` that adds OpenAI's headers of the limit. The time of the reset is like "0.250s"."""

        async def sending(message: types.Message) -> None:
            if message["type"] == "http.response.start":
                limit = {
                    "limit": int(self._burst),
                    "remaining": int(bucket.left()),
                    "reset": f"{bucket.full_in():.3f}s",
                }
                named = {f"x-ratelimit-{name}-requests": str(value) for name, value in limit.items()}
                MutableHeaders(scope=message).update(named)
            await send(message)

        return sending

    def _check_rate(self, program: Program, bucket: TokenBucket, path: str) -> None:
        """Raise TooManyError if the program has to wait."""
        rate, most = self._settings.max_requests_per_second, self._settings.max_waiting
        if not bucket.take(1):
            raise TooManyError(
                f"More than {rate:g} requests a second",
                "Send fewer, or more texts in each.",
                retry_seconds=math.ceil(bucket.wait(-1)),
            )
        if self._waiting[program.number] >= most:
            raise TooManyError(
                f"{most} requests of this token wait for their answers", "Send the next one after an answer."
            )
        if path == TEXTS:
            self._check_texts(program.number)

    async def _admit(self, program: Program, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        scope.setdefault("state", {})["program"] = program
        self._waiting[program.number] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._waiting[program.number] -= 1
