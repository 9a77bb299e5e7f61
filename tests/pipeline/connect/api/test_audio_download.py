"""Recordings by URL. The host of the tests is this machine, so only `is_public` is told that it is the internet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from pipeline.base.errors import ParameterError
from pipeline.connect.api import audio_download
from pipeline.connect.api.audio_download import download
from pipeline.runner.moderator import Moderator
from tests.dead_hosts import self_signed, silent
from tests.deploy.files import ROOT
from tests.pipeline.connect.api.conftest import RunningApi, running_api

HOSTS = ("media.test", "LOCALHOST", "127.0.0.1", "no-such-host.invalid")


@asynccontextmanager
async def media(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """A host that gives one answer to all. Yields the requests."""
    requests: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        lead_to(server.sockets[0].getsockname()[1], monkeypatch)
        yield requests


def lead_to(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_download, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(audio_download, "port_of", lambda _: port)


def ok(body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nconnection: close\r\n" + more + b"\r\n" + body


async def refusal(url: str, path: Path) -> str:
    with pytest.raises(ParameterError) as caught:
        await download(url, path, HOSTS)
    assert caught.value.name == "url"
    assert caught.value.remedy
    return caught.value.what


async def test_a_recording_is_fetched_from_the_checked_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with media(ok(b"sound"), monkeypatch) as requests:
        await download("http://Localhost/a%20b.ogg?key=1#part", tmp_path / "it", HOSTS)
    assert (tmp_path / "it").read_bytes() == b"sound"
    assert requests[0].startswith("GET /a%20b.ogg?key=1 HTTP/1.1\r\n")
    assert "host: localhost\r\n" in requests[0].lower()
    assert "accept-encoding: identity\r\n" in requests[0].lower()


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("ftp://media.test/a.ogg", "not the address"),
        ("media.test/a.ogg", "not the address"),
        ("http://", "not the address"),
        ("http://[::1", "not the address"),
        ("http://media.test:99999/a", "not the address"),
        ("http://me:secret@media.test/a", "not the address"),
        ("http://media.test/a\r\nx: y", "not the address"),
        ("http://other.test/a", "of this host are not fetched"),
        ("http://evil.media.test/a", "of this host are not fetched"),
        ("http://media.test:8080/a", "of this host are not fetched"),
        ("http://127.0.0.1/a", "a private address"),
        ("http://localhost/a", "a private address"),
        ("http://no-such-host.invalid/a", "cannot be reached"),
    ],
)
async def test_a_url_that_is_refused(tmp_path: Path, url: str, fault: str) -> None:
    assert fault in await refusal(url, tmp_path / "it")
    assert not (tmp_path / "it").exists()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n", "elsewhere"),
        (b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", "answers 404"),
        (ok(b"x" * 2_000), "more than 1,000 bytes"),
        (ok(b"short", b"content-length: 900\r\n"), "cannot be reached"),
        (b"no HTTP\r\n\r\n", "cannot be reached"),
    ],
)
async def test_an_answer_that_is_no_recording(
    tmp_path: Path, answer: bytes, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_download, "MAX_AUDIO_BYTES", 1_000)
    async with media(answer, monkeypatch) as requests:
        assert fault in await refusal("http://localhost/a", tmp_path / "it")
    assert len(requests) == 1


async def test_a_host_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_download, "SECONDS", 0.2)
    async with silent() as address:
        lead_to(int(address.rpartition(":")[2]), monkeypatch)
        assert "cannot be reached: no answer in time" in await refusal("http://localhost/a", tmp_path / "it")


async def test_a_certificate_that_nobody_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with self_signed(tmp_path) as address:
        lead_to(int(address.rpartition(":")[2]), monkeypatch)
        assert "its certificate is not accepted" in await refusal("https://localhost/a", tmp_path / "it")


@pytest.mark.weights
def test_a_recording_by_url_is_moderated(
    own_store: str, tmp_path: Path, moderator: Moderator, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = ok((ROOT / "pipeline" / "runner" / "demo" / "lounge-ben.ogg").read_bytes())

    async def ask(api: RunningApi) -> httpx.Response:
        async with media(sound, monkeypatch):
            with api.client() as client:
                url = {"url": "http://localhost/ben.ogg", "room_type": "kids"}
                return await asyncio.to_thread(client.post, "/v1/audio/moderations", data=url)

    for api in running_api(own_store, tmp_path, moderator, audio_hosts=("localhost",)):
        answer = asyncio.run(ask(api))
        assert (answer.status_code, answer.json()["suggestion"]) == (200, "block")


@pytest.mark.weights
@pytest.mark.parametrize(
    ("given", "param"), [({"url": "http://localhost/a"}, "url"), ({}, "file"), ({"url": "a", "file": "b"}, "file")]
)
def test_the_api_names_the_parameter_in_openais_shape(api: RunningApi, given: dict[str, str], param: str) -> None:
    files = {"file": ("name", b"sound")} if "file" in given else None
    data = {"room_type": "game"} | {name: value for name, value in given.items() if name == "url"}
    with api.client() as client:
        answer = client.post("/v1/audio/moderations", data=data, files=files)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
