"""The stream of verdicts against a server that repeats, breaks off, refuses and speaks nonsense."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import InputError
from pipeline.connect.client import reconnecting, verdict_stream
from pipeline.connect.client.reconnecting import StreamError
from pipeline.connect.client.verdict_stream import MAX_BYTES, BrokenStreamError, EventParser, ServerEvent, VerdictStream
from tests.dead_hosts import UNKNOWN, refusing, self_signed

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def event(number: int, suggestion: str = "review") -> bytes:
    flag = {"id": f"flag-{number}", "text": "嗨", "suggestion": suggestion}
    data = json.dumps({"type": "flag.raised", "timestamp": "…", "data": flag})
    return f"id: {number}\nevent: flag.raised\ndata: {data}\n\n".encode()


@asynccontextmanager
async def server(answers: Sequence[bytes]) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve one answer for each connection, and close it; the last one stays open. Yields address and requests."""
    requests: list[str] = []
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answers[min(len(requests), len(answers)) - 1])
        await writer.drain()
        if len(requests) >= len(answers):
            await over.wait()
        writer.close()

    made = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with made:
        yield f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}", requests
        over.set()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy stands between, and a failed connection is tried again soon."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(reconnecting, "LONGEST_PAUSE", 0.01)


async def first(stream: VerdictStream, count: int, each: Callable[[str | None], object] = lambda _: None) -> list[str]:
    found: list[str] = []
    async with stream, aclosing(stream.verdicts()) as arriving:
        async for verdict in arriving:
            found.append(verdict["id"])
            each(stream.last_event_id)
            if len(found) == count:
                break
    return found


async def test_it_resumes_after_the_last_id_and_gives_each_verdict_once() -> None:
    places: list[str | None] = []
    answers = [OK + event(1) + event(2) + b"id: 3\nevent: fl", OK + b": ping\n\n" + event(2) + event(3)]
    async with server(answers) as (url, requests):
        found = await first(VerdictStream(url, "a-token", room="聊 天"), 3, places.append)
    assert (found, places) == (["flag-1", "flag-2", "flag-3"], ["1", "2", "3"])
    assert requests[0].startswith("GET /v1/verdicts?room=%E8%81%8A+%E5%A4%A9 ")
    assert "authorization: Bearer a-token" in requests[0]
    assert "last-event-id" not in requests[0].lower()
    assert "last-event-id: 2" in requests[1].lower()


async def test_a_verdict_that_becomes_worse_comes_again() -> None:
    async with server([OK + event(1) + event(1) + event(1, "block") + event(2)]) as (url, _):
        assert await first(VerdictStream(url, "a-token"), 3) == ["flag-1", "flag-1", "flag-2"]


async def test_a_verdict_that_becomes_fit_for_an_action_comes_again() -> None:
    fit = event(1).replace(b'"suggestion"', b'"act": ["hate"], "suggestion"')
    async with server([OK + event(1) + event(1) + fit + fit + event(2)]) as (url, _):
        assert await first(VerdictStream(url, "a-token"), 3) == ["flag-1", "flag-1", "flag-2"]


async def test_it_begins_after_a_given_id() -> None:
    async with server([OK + event(8)]) as (url, requests):
        assert await first(VerdictStream(url + "/", "a-token", last_event_id="7"), 1) == ["flag-8"]
    assert "last-event-id: 7" in requests[0].lower()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n",
        b"no HTTP at all\r\n\r\n",
        OK + b"event: flag.raised\ndata: {}\n\n",
        OK + b"event: flag.raised\ndata: \xff\n\n",
        OK + b'event: flag.raised\ndata: {"data": {"id": 7}}\n\n',
        OK + b"event: flag.raised\ndata: " + b"[" * 100_000 + b"\n\n",
        OK + b"data: " + b"x" * 2_000_000,
    ],
    ids=range(9),
)
async def test_a_fault_of_the_server_is_tried_again(answer: bytes) -> None:
    async with server([answer, OK + event(1)]) as (url, _):
        assert await first(VerdictStream(url, "a-token"), 1) == ["flag-1"]


@pytest.mark.parametrize("body", [b"because", b'{"error": {"message": "because."}}', b'{"error": "because"}'])
@pytest.mark.parametrize("status", [401, 403, 404, 422])
async def test_a_refusal_is_raised_with_the_reason(status: int, body: bytes) -> None:
    said = "because" if b"message" in body else body.decode()
    async with server([b"HTTP/1.1 %d No\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)]) as (url, _):
        with pytest.raises(InputError, match=rf"{status}: {said}\. .*scope verdicts"):
            await first(VerdictStream(url, "a-token"), 1)


@pytest.mark.parametrize("host", [UNKNOWN, refusing()], ids=["unknown", "refusing"])
async def test_a_dead_host_is_named(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_stream, "FIRST_ANSWER_SECONDS", 0.02)
    with pytest.raises(StreamError, match=f"The API at http://{host} cannot be reached: .*Check the address"):
        await first(VerdictStream(f"http://{host}", "a-token"), 1)


async def test_a_certificate_that_nobody_trusts_is_named_at_once(tmp_path: Path) -> None:
    async with self_signed(tmp_path) as host:
        with pytest.raises(StreamError, match=r"its certificate is not accepted.*SSL_CERT_FILE"):
            await first(VerdictStream(f"https://{host}", "a-token"), 1)


async def test_only_the_newest_ids_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_stream, "REMEMBERED", 2)
    answers = [OK + b"".join(map(event, (1, 2, 3, 3, 2))) + event(1)]
    async with server(answers) as (url, _):
        assert await first(VerdictStream(url, "a-token"), 4) == ["flag-1", "flag-2", "flag-3", "flag-1"]


@pytest.mark.parametrize("url", ["ws://a", "", "127.0.0.1:8090", "http://"])
def test_an_address_of_another_kind_is_an_error(url: str) -> None:
    with pytest.raises(InputError, match="http://127"):
        VerdictStream(url, "a-token")


LINES = st.one_of(
    st.sampled_from(["", "data: a", "data:b", "data", "event: flag.raised", "id: 7", "id", ": ping", "retry: 1000"]),
    st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=12),
)
TEXTS = st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])), max_size=12).map(
    lambda lines: "".join(line + end for line, end in lines)
)


@st.composite
def pieces(draw: st.DrawFn) -> list[str]:
    text = draw(TEXTS)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


PIECES = pieces()
"""The text of a stream, cut anywhere."""


def parsed(*texts: str) -> list[ServerEvent]:
    parser = EventParser()
    return [event for text in texts for event in parser.feed(text.encode())]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_an_event_ends_with_an_empty_line(end: str) -> None:
    lines = [": hello", "id: 12", "event: flag.raised", "data: one", "data:two", "", "data: three", "", "data: unended"]
    found = parsed(end.join(lines), "" if end == "\n" else "x")
    assert found == [ServerEvent("flag.raised", "one\ntwo", "12"), ServerEvent("message", "three", "12")]


@given(PIECES)
def test_the_cuts_between_pieces_change_nothing(cut: list[str]) -> None:
    assert parsed(*cut) == parsed("".join(cut))


@given(st.lists(st.binary(max_size=60)))
def test_any_bytes_are_parsed(cut: list[bytes]) -> None:
    parser = EventParser()
    for piece in cut:
        assert all(event.data or event.kind for event in parser.feed(piece))


@pytest.mark.parametrize("line", ["data: " + "x" * 1_000 + "\n", "x" * 1_000, "event: " + "x" * 1_000 + "\n"])
def test_an_event_without_end_is_an_error(line: str) -> None:
    with pytest.raises(BrokenStreamError, match="1,048,576"):
        parsed(*[line] * (MAX_BYTES // 900))
