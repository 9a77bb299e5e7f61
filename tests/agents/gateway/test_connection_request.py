"""The URL of a connection. Errors name the fault and never repeat a name from the URL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import takewhile
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import BINARY, CLOSE, PING, PONG, TEXT, Frame

from agents.gateway.connection_request import EGRESS_PATH, Voice, admit_egress, voice_of_url
from pipeline.base.errors import InputError
from pipeline.base.network_access import TokenSet
from tests.agents.gateway.test_gateway_server import BEARER, Place, closed_with, ended, heard, running, until
from tests.pipeline.strategies import NAMES

AUDIO = "/v1/rooms/lobby/speakers/alice/audio"


def test_all_fields_are_parsed() -> None:
    voice = voice_of_url(f"{AUDIO}?codec=pcm_f32le&sample_rate=48000&channels=2&room_type=dating")
    assert voice == Voice(
        room="lobby", speaker="alice", room_type="dating", codec="pcm_f32le", sample_rate=48_000, channels=2
    )


def test_opus_needs_no_sample_rate() -> None:
    assert voice_of_url(f"{AUDIO}?codec=opus").sample_rate == 48_000


@given(NAMES.filter(bool), NAMES.filter(bool))
def test_percent_encoded_names_are_decoded(room: str, speaker: str) -> None:
    target = f"/v1/rooms/{quote(room, safe='')}/speakers/{quote(speaker, safe='')}/audio?sample_rate=16000"
    voice = voice_of_url(target)
    assert (voice.room, voice.speaker) == (room, speaker)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/", "Unknown path"),
        ("/v1/rooms//speakers/alice/audio?sample_rate=16000", "Unknown path"),
        (f"{AUDIO}/?sample_rate=16000", "Unknown path"),
        (AUDIO, "No sample_rate"),
        (f"{AUDIO}?sample_rate=16000&token=s3cret", "Authorization: Bearer"),
        (f"{AUDIO}?sample_rate=16000&rate=1", "unknown field `rate`"),
        (f"{AUDIO}?sample_rate=16000&sample_rate=8000", "is given twice"),
        (f"{AUDIO}?sample_rate=fast", "`$.sample_rate`"),
        (f"{AUDIO}?sample_rate=1", "`$.sample_rate`"),
        (f"{AUDIO}?sample_rate=16000&codec=mp3", "Invalid enum value 'mp3'"),
        (f"{AUDIO}?sample_rate=16000&codec=container", "Invalid enum value 'container'"),
        (f"{AUDIO}?sample_rate=16000&channels=33", "`$.channels`"),
        (f"{AUDIO}?sample_rate=16000&room=x", "into the path"),
        (f"{AUDIO}?sample_rate=16000&start=now", "`$.start`"),
        (f"{AUDIO}?sample_rate=16000&start=nan", "`$.start`"),
        (f"{AUDIO}?sample_rate=16000&session=1", "`$.session`"),
        (f"{AUDIO}?sample_rate=16000&session=a%20session", "`$.session`"),
        (f"{AUDIO}?sample_rate=16000&first_sample=800", "has no session"),
        (f"{AUDIO}?sample_rate=16000&session=0123456789&first_sample=-1", "`$.first_sample`"),
        (f"{AUDIO}?sample_rate=16000&session=0123456789&attempt=-1", "`$.attempt`"),
        (f"{AUDIO}?sample_rate=16000&attempt=1", "attempt has no session"),
        (f"{AUDIO}?sample_rate", "cannot be read"),
        (f"{AUDIO}?codec=opus&sample_rate=16000", "needs sample_rate 48000"),
        (f"{AUDIO}?codec=opus&channels=6", "1 or 2 channels"),
        ("/v1/rooms/%ff/speakers/alice/audio?sample_rate=16000", "not UTF-8"),
        ("/v1/rooms/a%0Ab/speakers/alice/audio?sample_rate=16000", "1 to 256 characters"),
        (f"/v1/rooms/{'x' * 257}/speakers/alice/audio?sample_rate=16000", "1 to 256 characters"),
    ],
)
def test_an_error_names_the_fault(target: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        voice_of_url(target)
    assert said in str(caught.value)
    assert "alice" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_target_gives_a_voice_or_an_input_error(path: str, query: str) -> None:
    for target in (path, f"{AUDIO}?{query}", f"/v1/rooms/{path}/speakers/{query}/audio?sample_rate=8000"):
        try:
            assert voice_of_url(target).sample_rate >= 8_000
        except InputError:
            continue


TOKEN = "the-token-of-the-egress"  # noqa: S105
NAMED = {"room": "聊/1", "speaker": "ü&b", "token": TOKEN}
SPEECH, ZEROS = bytes(range(240)) * 16, bytes(3_840)
"""20 ms of 48 kHz stereo."""
MUTED, UNMUTED = '{"muted":true}', '{"muted":false}'


def egress(**changes: Any) -> Any:
    return running(**{"egress_tokens": (TOKEN,)} | changes)


def address(**fields: str) -> str:
    return f"{EGRESS_PATH}?{urlencode(fields or NAMED)}"


class Egress:
    """LiveKit's side of the connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.pings = 0

    def send(self, *sent: bytes | str) -> None:
        for each in sent:
            frame = Frame(BINARY, each) if isinstance(each, bytes) else Frame(TEXT, each.encode())
            self._write(frame)

    def close(self) -> None:
        """Close without a code, and do not wait."""
        self._write(Frame(CLOSE, b""))
        self._writer.close()

    async def answer(self) -> None:
        """Answer each ping with the word `pong`."""
        while True:
            head, size = await self._reader.readexactly(2)
            await self._reader.readexactly(size)
            if head == 0x80 | PING:
                self.pings += 1
                self._write(Frame(PONG, b"pong"))

    def _write(self, frame: Frame) -> None:
        self._writer.write(frame.serialize(mask=True))


@asynccontextmanager
async def started(place: Place) -> AsyncIterator[Egress]:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.port)
    lines = [
        f"GET {address()} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Content-Type: audio/x-raw",
    ]  # fmt: skip
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await reader.readuntil(b"\r\n\r\n")
    made = Egress(reader, writer)
    answering = asyncio.create_task(made.answer())
    yield made
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    writer.close()
    await writer.wait_closed()


async def test_an_egress_is_a_speaker_and_its_muted_time_is_silence() -> None:
    sent: list[bytes | str] = [SPEECH, MUTED, ZEROS, ZEROS, UNMUTED, SPEECH]
    async with egress() as place:
        async with started(place) as livekit:
            livekit.send(*sent)
            livekit.close()
            await until(lambda: ended(place))
        chunks = place.sink.chunks
        assert heard(place) == SPEECH + ZEROS + ZEROS + SPEECH
        assert {(chunk.room, chunk.speaker, chunk.sample_rate, chunk.channels) for chunk in chunks} == {
            ("聊/1", "ü&b", 48_000, 2)
        }
        assert chunks[-1].start - chunks[0].start == pytest.approx(0.08, abs=1e-6)
        assert place.figure("lost_seconds_total") == 0


async def test_a_muted_egress_stays_though_it_is_silent_and_has_its_own_pongs() -> None:
    """Its stream ends for ever if the gateway closes. The time of its silence passes."""
    times = {"PING_SECONDS": 0.02, "LARGEST_GAP": 0.1, "IDLE_SECONDS": 0.05, "MUTED_SECONDS": 0.05}
    async with egress(**times) as place, started(place) as livekit:
        livekit.send(SPEECH, MUTED)
        await until(lambda: livekit.pings > 10)
        assert place.refused("idle") == 0
        livekit.send(SPEECH)
        await until(lambda: len(place.sink.chunks) == 3)
        first, end, second = place.sink.chunks
        assert end.final, "its speech is judged while it is muted"
        assert second.start - first.start > 0.1
        assert (second.sequence, place.figure("lost_seconds_total")) == (2, 0)
        livekit.send(UNMUTED)
        await until(lambda: place.refused("idle") == 1)


@pytest.mark.parametrize(
    ("token", "accepted"), [(TOKEN, (TOKEN,)), ("", (TOKEN,)), (TOKEN[:-1], (TOKEN,)), (BEARER, ()), ("", ())]
)
async def test_only_a_token_of_the_egress_opens_its_path(token: str, accepted: tuple[str, ...]) -> None:
    path = address(**NAMED | {"token": token})
    async with running(egress_tokens=accepted) as place, place.client(path) as client:
        if token in accepted:
            await client.send(SPEECH)
            await until(lambda: heard(place) == SPEECH)
        else:
            code, reason = await closed_with(client)
            assert (code, "gateway.egress_tokens" in reason) == (4401, True)
            assert place.sink.chunks == []


async def test_a_token_of_the_egress_opens_nothing_else() -> None:
    async with egress() as place, place.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        assert (await closed_with(client))[0] == 4401


async def test_the_gateways_other_rules_hold_for_an_egress() -> None:
    async with egress(closed_room_types=("kids",), max_connections=1) as place:
        async with place.client(address(**NAMED, room_type="kids"), {}) as refused:
            assert (await closed_with(refused))[0] == 4403
        async with place.client(address(), {}) as old, place.client(address(), {}) as new:
            assert (await closed_with(old))[0] == 4409
            await new.send(SPEECH)
            await until(lambda: heard(place) == SPEECH)


@given(NAMES.filter(bool), NAMES.filter(bool), st.integers(8_000, 192_000))
def test_names_are_those_of_the_query(room: str, speaker: str, rate: int) -> None:
    query = urlencode({"token": TOKEN, "speaker": speaker, "room": room, "sample_rate": rate, "channels": 1})
    voice = admit_egress(f"{EGRESS_PATH}?{query}", TokenSet([TOKEN]))
    assert voice == Voice(room=room, speaker=speaker, sample_rate=rate, channels=1)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"speaker": "alice"}, "does not name room and speaker"),
        ({"room": "", "speaker": "alice"}, "1 to 256 characters"),
        ({"room": "a", "speaker": "alice", "codec": "opus"}, "unknown key"),
        ({"room": "a", "speaker": "alice", "session": "12345678"}, "unknown key"),
        ({"room": "a", "speaker": "alice", "sample_rate": "1"}, "sample_rate"),
        ({"room": "a", "speaker": "alice", "channels": "x"}, "channels"),
    ],
)
def test_an_error_names_the_fault_and_no_person(fields: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        admit_egress(address(token=TOKEN, **fields), TokenSet([TOKEN]))
    assert said in str(caught.value)
    assert "alice" not in str(caught.value)
    assert TOKEN not in str(caught.value)


URL_TEXT = st.text(st.sampled_from("abü&=%+;?#/.0123456789\\\"' "), max_size=20).map(
    lambda text: text.replace(" ", "%20").replace("#", "%23").encode().decode("latin-1")
)
VALID = f"token={TOKEN}&room=a&speaker=b"
QUERIES = st.one_of(
    URL_TEXT,
    URL_TEXT.map(lambda text: f"{VALID}&{text}"),
    st.builds(
        lambda key, value: f"{VALID}&{key}={value}", st.sampled_from(["channels", "listeners", "token"]), URL_TEXT
    ),
)
MESSAGES = st.one_of(
    st.binary(max_size=300),
    st.binary(min_size=4, max_size=300).map(lambda data: data[: len(data) // 4 * 4]),
    st.sampled_from([MUTED, UNMUTED, '{"muted":1}', "[]", "{"]),
    st.text(max_size=20),
)


@settings(max_examples=60)
@given(query=st.just(VALID) | QUERIES, messages=st.lists(MESSAGES, max_size=6))
async def test_whatever_comes_whole_frames_before_the_first_fault_are_kept(
    query: str, messages: list[bytes | str]
) -> None:
    """The connection ends with a code that the manual explains, and never with an error of the gateway."""
    async with egress(GATHER_SECONDS=0) as place:
        async with connect(f"ws://127.0.0.1:{place.gateway.port}{EGRESS_PATH}?{query}", proxy=None) as client:
            with suppress(ConnectionClosed):  # after the first fault
                for message in messages:
                    await client.send(message)
        assert client.close_code in {1000, 4400, 4401}
        await until(lambda: place.figure("connections") == 0)
        if query == VALID:
            taken = takewhile(lambda each: isinstance(each, bytes) or each in {MUTED, UNMUTED}, messages)
            whole = [each for each in taken if isinstance(each, bytes) and not len(each) % 4]
            assert heard(place) == b"".join(whole)
