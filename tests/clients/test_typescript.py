"""The TypeScript client, compiled and run by Node, against the real gateway and the real API."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.http11 import Request

from agents.gateway.connection_request import Voice
from pipeline.base.errors import DependencyError, InputError
from pipeline.connect.client.verdict_stream import EventParser
from pipeline.runner.moderator import Moderator
from pipeline.speech.audio.chunk_order import ReceivedSamples
from pipeline.speech.audio.stream_codecs import checked_samples
from tests.agents.gateway.test_gateway_server import ended, heard, running, until
from tests.builders import NOON, flag
from tests.dead_hosts import UNKNOWN, refusing, self_signed
from tests.deploy.files import ROOT
from tests.pipeline.connect.api.conftest import CASES, MODERATE, running_api
from tests.pipeline.connect.api.conftest import moderator as moderator  # noqa: PLC0414 - a fixture
from tests.pipeline.connect.client.test_verdict_stream import OK, PIECES, event, server
from tests.pipeline.speech.audio.test_stream_codecs import opus_packets

BEARER = "an-ascii-token-of-the-tests"
SPEECH = bytes(range(256)) * 75
"""0.6 s."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the client. `make test` installs the compiler into .cache/typescript."""
    folder = tmp_path_factory.mktemp("typescript")
    shutil.copytree(ROOT / "clients" / "typescript", folder, dirs_exist_ok=True)
    (folder / "node_modules").symlink_to(ROOT / ".cache" / "typescript" / "node_modules")
    subprocess.run(["node_modules/.bin/tsc"], cwd=folder, check=True, timeout=300)
    for script in (ROOT / "tests" / "clients" / "typescript").glob("*.mjs"):
        shutil.copy(script, folder)
    return folder


def node(folder: Path, script: str, data: bytes = b"", **options: Any) -> Any:
    """Run a script with options and standard input. Returns the JSON that it prints."""
    command = ["node", "--trace-warnings", script, json.dumps(options)]
    shown = subprocess.run(command, cwd=folder, input=data, capture_output=True, check=False, timeout=240)
    assert (shown.returncode, shown.stderr) == (0, b"")
    return json.loads(shown.stdout)


async def speak(folder: Path, port: int, data: bytes, **changes: Any) -> Any:
    options = {
        "url": f"ws://127.0.0.1:{port}",
        "token": BEARER,
        "room": "聊天室/1",
        "speaker": "ü",
        "frameBytes": 3_200,
    }
    return await asyncio.to_thread(node, folder, "speaker.mjs", data, **options | changes)


async def test_a_stream_sends_all_audio_and_ends_the_speech(built: Path) -> None:
    async with running(tokens=(BEARER,)) as place:
        shown = await speak(built, place.gateway.port, SPEECH, roomType="game", identityVerified=True, listeners=7)
        await until(lambda: ended(place))
        assert heard(place) == SPEECH
        first, last = place.sink.chunks[0], place.sink.chunks[-1]
    assert shown == {"receivedSamples": 9_600, "droppedSeconds": 0, "unacknowledgedSeconds": 0, "skippedFrames": 0}
    assert (first.room, first.speaker, first.room_type, first.identity_verified) == ("聊天室/1", "ü", "game", True)
    assert last.listeners == 7


async def test_the_end_of_speech_comes_after_its_audio(built: Path) -> None:
    async with running(tokens=(BEARER,)) as place:
        await speak(built, place.gateway.port, SPEECH, frameBytes=len(SPEECH), endSpeech=True)
        await until(lambda: ended(place))
        assert heard(place) == SPEECH
        assert [chunk.final for chunk in place.sink.chunks].count(True) == 1


async def test_unacknowledged_audio_is_sent_again(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tokens=(BEARER,)) as place:
        attempts: list[int] = []
        voice_of = place.gateway._voice

        def noted(request: Request | None) -> Voice:
            voice = voice_of(request)
            attempts.append(voice.attempt)
            return voice

        monkeypatch.setattr(place.gateway, "_voice", noted)
        place.sink.fault = DependencyError("Kafka does not answer")
        speaking = asyncio.create_task(speak(built, place.gateway.port, SPEECH))
        await until(lambda: place.refused("try_later") > 0)
        place.sink.fault = None
        assert (await speaking)["receivedSamples"] == 9_600
        await until(lambda: ended(place))
        received = ReceivedSamples()
        fresh = b"".join(chunk.data for each in place.sink.chunks if (chunk := received.fresh(each)))
    assert fresh == SPEECH
    assert attempts == list(range(1, len(attempts) + 1))


@pytest.mark.parametrize(
    ("changes", "code"), [({"token": "wrong"}, 4401), ({"sampleRate": 1_000}, 4400), ({"roomType": "kids"}, 4403)]
)
async def test_a_refusal_has_its_code(built: Path, changes: dict[str, Any], code: int) -> None:
    async with running(tokens=(BEARER,), closed_room_types=("kids",)) as place:
        shown = await speak(built, place.gateway.port, SPEECH[:3_200], **changes)
    assert shown["code"] == code


def test_opus_packets_count_as_the_gateway_counts_them(built: Path) -> None:
    packets: list[bytes] = [packet for size in ("2.5", "20", "60") for packet in opus_packets(size, "voip")]

    @settings(max_examples=500)
    @given(st.one_of(st.binary(max_size=40), st.binary(max_size=20).map(lambda data: b"\x03" + data)))
    def collect(data: bytes) -> None:
        packets.append(data)

    collect()
    lines = "".join(f"{packet.hex()}\n" for packet in packets).encode()
    assert node(built, "opus.mjs", lines) == [_samples(packet) for packet in packets]


def _samples(packet: bytes) -> int:
    try:
        return checked_samples(packet)
    except InputError:
        return 0


def test_events_are_parsed_as_in_python(built: Path) -> None:
    streams: list[list[str]] = []

    @settings(max_examples=200)
    @given(PIECES)
    def collect(pieces: list[str]) -> None:
        streams.append(pieces)

    collect()
    found = node(built, "parse.mjs", json.dumps(streams).encode())
    assert found == [_parsed(pieces) for pieces in streams]


def _parsed(pieces: list[str]) -> list[dict[str, str]]:
    parser = EventParser()
    events = [event for piece in pieces for event in parser.feed(piece.encode())]
    return [{"id": event.id, "kind": event.kind, "data": event.data} for event in events]


async def test_verdicts_resume_after_the_last_id_and_come_once(built: Path) -> None:
    answers = [OK + event(1) + event(2) + b"id: 3\nevent: fl", OK + b": ping\n\n" + event(2) + event(3)]
    async with server(answers) as (url, requests):
        found = await asyncio.to_thread(node, built, "verdicts.mjs", url=url, token=BEARER, room="聊 天", count=3)
    assert found == [["flag-1", "1"], ["flag-2", "2"], ["flag-3", "3"]]
    assert "room=%E8%81%8A+%E5%A4%A9" in requests[0]
    assert "last-event-id: 2" in requests[1]


async def test_a_refused_stream_gives_the_reason(built: Path) -> None:
    async with server([b"HTTP/1.1 403 No\r\ncontent-length: 7\r\n\r\nbecause"]) as (url, _):
        [found] = await asyncio.to_thread(node, built, "verdicts.mjs", url=url, token=BEARER)
    assert "403: because" in found


async def test_a_dead_host_is_named(built: Path, tmp_path: Path) -> None:
    async with self_signed(tmp_path) as untrusted:
        for host, fault in ((refusing(), "ECONNREFUSED"), (UNKNOWN, "no-such-host"), (untrusted, "self-signed")):
            shown = await asyncio.to_thread(node, built, "dead.mjs", host=host)
            for name, code, message in shown:
                assert (name, code) in {("StreamError", 1006), ("ApiError", 0)}
                assert re.search(rf"The (gateway|API) at \w+://{host} cannot be reached: .*{fault}", message)
                assert ("NODE_EXTRA_CA_CERTS" if host == untrusted else "Check the address") in message


@pytest.mark.weights
def test_texts_recordings_and_cases(built: Path, tmp_path: Path, moderator: Moderator) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    for api in running_api(url, tmp_path, moderator, seconds=0):
        for number in range(3):
            api.store.add([flag(str(number), number * 100, number * 100 + 5)], NOON + number)
        demo = str(ROOT / "pipeline" / "runner" / "demo" / "lounge-ben.ogg")
        shown = node(built, "api.mjs", url=api.url, moderate=MODERATE, cases=CASES, file=demo)
    assert [result["flagged"] for result in shown["texts"]] == [False, True]
    assert shown["texts"][1]["categories"]["harassment"]
    assert (shown["recording"]["status"], shown["recording"]["suggestion"]) == ("done", "review")
    assert shown["shares"] == sorted(shown["shares"])
    assert len(set(shown["found"])) == 3
    assert shown["refused"][0] == 403
    assert "scope moderate" in shown["refused"][1]
