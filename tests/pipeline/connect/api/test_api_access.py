"""The gate refuses a request before its body is read, and keeps programs apart."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from starlette.types import Message, Receive, Scope, Send

from pipeline.base.errors import ConfigError
from pipeline.base.http_problems import TooManyError
from pipeline.connect.api.api_access import ApiTokens, Gate, scope_of
from pipeline.settings import Api, ApiToken

ONE, TWO = "the-first-token-here", "the-second-token-here"


class Inner:
    """An app that waits for `open`, and then answers 200."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.programs: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "state" in scope:
            self.programs.append(scope["state"]["program"].number)
        await self.open.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})


class Now:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def may_send(number: int) -> None:
    """Let each program send texts."""


def gate(inner: Inner, now: Now, check_texts: Callable[[int], None] = may_send, **changes: Any) -> Gate:
    tokens = tuple(ApiToken(token=SecretStr(each), scopes=frozenset({"moderate"})) for each in (ONE, TWO))
    settings = Api(tokens=tokens, **changes)
    return Gate(inner, ApiTokens(settings), settings, check_texts, now)


async def status(made: Gate, token: str = ONE, path: str = "/v1/moderations") -> int:
    return int((await answer(made, token, path))["status"])


async def headers(made: Gate, token: str = ONE) -> tuple[int, dict[str, str]]:
    """The status and the headers."""
    given = await answer(made, token, "/v1/moderations")
    return given["status"], {name.decode(): value.decode() for name, value in given["headers"]}


async def answer(made: Gate, token: str, path: str) -> Message:
    answers: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(b"authorization", f"Bearer {token}".encode())],
    }
    await made(scope, receive, send)
    return answers[0]


async def test_requests_pass_with_their_program() -> None:
    inner = Inner()
    made = gate(inner, Now())
    assert [await status(made), await status(made, TWO), await status(made, "", "/healthz")] == [200] * 3
    assert len(set(inner.programs)) == 2


async def test_a_wrong_token_or_scope_is_refused() -> None:
    made = gate(Inner(), Now())
    assert [await status(made, "wrong"), await status(made, path="/v1/cases")] == [401, 403]


async def test_a_program_that_is_too_fast_waits_and_others_do_not() -> None:
    now = Now()
    made = gate(Inner(), now, max_requests_per_second=2.0)
    assert [await status(made) for _ in range(11)] == [200] * 10 + [429]
    assert await status(made, TWO) == 200
    now.seconds += 0.5
    assert [await status(made) for _ in range(2)] == [200, 429]


async def test_each_answer_names_the_limit_and_what_is_left_of_it() -> None:
    now = Now()
    made = gate(Inner(), now, max_requests_per_second=0.4)
    limits = []
    for seconds in (0.0, 0.0, 0.0, 1.0, 2.0):
        now.seconds += seconds
        status, named = await headers(made)
        limit = [named[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining", "reset")]
        limits.append((status, *limit, named.get("retry-after")))
    assert limits == [
        (200, "2", "1", "2.500s", None),
        (200, "2", "0", "5.000s", None),
        (429, "2", "0", "5.000s", "3"),
        (429, "2", "0", "4.000s", "2"),
        (200, "2", "0", "4.500s", None),
    ]
    assert "x-ratelimit-limit-requests" not in dict((await answer(made, ONE, "/healthz"))["headers"])


async def test_only_so_many_requests_of_a_program_wait() -> None:
    inner = Inner()
    inner.open.clear()
    made = gate(inner, Now(), max_waiting=2)
    waiting = [asyncio.ensure_future(status(made)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await status(made) == 429
    inner.open.set()
    assert await asyncio.gather(*waiting) == [200, 200]
    assert await status(made) == 200


async def test_texts_of_a_program_that_used_up_its_share_are_refused_before_they_are_read() -> None:
    def check(number: int) -> None:
        if number == number_of(ONE):
            raise TooManyError("Its share is used up", "Wait.", retry_seconds=7)

    inner = Inner()
    made = gate(inner, Now(), check)
    refused, named = await headers(made)
    assert (refused, named["retry-after"]) == (429, "7")
    assert [await status(made, TWO), await status(made, ONE, "/v1/audio/moderations/1")] == [200, 200]
    assert inner.programs == [number_of(TWO), number_of(ONE)]


def number_of(token: str) -> int:
    alone = Api(tokens=(ApiToken(token=SecretStr(token), scopes=frozenset({"cases"})),))
    program = ApiTokens(alone).program([f"Bearer {token}"])
    assert program is not None
    return program.number


def test_the_number_of_a_program_does_not_depend_on_other_tokens() -> None:
    tokens = tuple(ApiToken(token=SecretStr(each), scopes=frozenset({"cases"})) for each in (TWO, ONE))
    program = ApiTokens(Api(tokens=tokens)).program([f"Bearer {ONE}"])
    assert program is not None
    assert program.number == number_of(ONE) != number_of(TWO)


BEARER = "a-token-of-the-tests"


def tokens() -> ApiTokens:
    return ApiTokens(Api(tokens=(ApiToken(token=SecretStr(BEARER), scopes=frozenset({"cases"})),)))


@pytest.mark.parametrize("header", [f"Bearer {BEARER}", f"bearer {BEARER} "])
def test_a_known_token_gives_its_program(header: str) -> None:
    program = tokens().program([header])
    assert program is not None
    assert program.scopes == {"cases"}


@pytest.mark.parametrize(
    "headers", [[], ["Bearer wrong"], ["Bearer "], [BEARER], [f"Basic {BEARER}"], [f"Bearer {BEARER}"] * 2]
)
def test_other_headers_give_none(headers: list[str]) -> None:
    assert tokens().program(headers) is None


def test_a_token_is_generated_on_loopback_only() -> None:
    made = ApiTokens(Api())
    assert made.generated
    program = made.program([f"Bearer {made.generated}"])
    assert program is not None
    assert program.scopes == {"moderate", "cases", "decide", "verdicts"}
    assert tokens().generated is None
    with pytest.raises(ConfigError, match="VOXWARDEN_API__TOKENS"):
        ApiTokens(Api(host="192.0.2.1"))


def test_a_short_token_or_an_unknown_scope_is_an_error() -> None:
    with pytest.raises(ValidationError, match="shorter than 16"):
        ApiToken(token=SecretStr("short"), scopes=frozenset({"cases"}))
    with pytest.raises(ValidationError):
        ApiToken.model_validate({"token": BEARER, "scopes": ["everything"]})
    with pytest.raises(ValidationError):
        ApiToken.model_validate({"token": BEARER, "scopes": []})


def test_each_path_has_its_scope() -> None:
    paths = ("/v1/moderations", "/v1/audio/moderations/1", "/v1/cases/2", "/v1/verdicts", "/v2")
    assert [scope_of("GET", path) for path in paths] == ["moderate", "moderate", "cases", "verdicts", None]
    assert {scope_of(method, "/v1/cases/2/decisions") for method in ("POST", "DELETE")} == {"decide"}
