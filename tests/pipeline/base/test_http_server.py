"""Security headers, and the limits of a request's size."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from pipeline.base.http_server import HEADERS, MAX_QUERY, Shield

MOST = 100


async def reader(_: Scope, receive: Receive, send: Send) -> None:
    """An app that reads the whole body and answers with its length."""
    length = 0
    while (message := await receive())["type"] == "http.request":
        length += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"ALLOW")]})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def careless(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers 400 if it cannot read the body. FastAPI does so, too."""
    try:
        await reader(scope, receive, send)
    except Exception:
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body"})


async def status_of(app: Shield, pieces: Sequence[bytes], **changes: object) -> tuple[int, dict[str, str]]:
    """Send a body in pieces. Return the status and the headers of the answer."""
    waiting: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    answers: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        answers.append(message)

    await app({"type": "http", "path": "/", "query_string": b"", "headers": []} | changes, receive, send)
    assert [one["type"] for one in answers] == ["http.response.start", "http.response.body"]
    headers = {name.decode(): value.decode() for name, value in answers[0]["headers"]}
    return answers[0]["status"], headers


@pytest.mark.parametrize("inner", [reader, careless])
@given(lengths=st.lists(st.integers(0, 2 * MOST // 3), max_size=4))
async def test_a_body_is_counted_in_all_its_pieces(inner: object, lengths: list[int]) -> None:
    pieces = [b"x" * length for length in lengths]
    status, headers = await status_of(Shield(inner, MOST), pieces)  # type: ignore[arg-type]
    assert status == (200 if sum(lengths) <= MOST else 413)
    assert headers.items() >= HEADERS.items()


@pytest.mark.parametrize(
    ("length", "status"), [(b"100", 200), (b"101", 413), (b"9999999999", 413), (b"-1", 200), (b"x", 200)]
)
async def test_an_announced_length_above_the_limit_is_refused_unread(length: bytes, status: int) -> None:
    assert (await status_of(Shield(reader, MOST), [], headers=[(b"content-length", length)]))[0] == status


@pytest.mark.parametrize(("length", "status"), [(MAX_QUERY, 200), (MAX_QUERY + 1, 414)])
async def test_a_query_above_the_limit_is_refused(length: int, status: int) -> None:
    found, headers = await status_of(Shield(reader, MOST), [], query_string=b"q" * length)
    assert (found, headers.items() >= HEADERS.items()) == (status, True)


@pytest.mark.parametrize(("path", "kept"), [("/queue", "no-store"), ("/static/console.css", None)])
async def test_only_static_files_may_be_stored(path: str, kept: str | None) -> None:
    _, headers = await status_of(Shield(reader, MOST), [], path=path)
    assert headers.get("cache-control") == kept
