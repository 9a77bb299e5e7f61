"""The URL of a connection. Errors name the fault and never repeat a name from the URL."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.gateway.request import Voice, parse
from pipeline.base.errors import InputError
from tests.pipeline.strategies import NAMES

AUDIO = "/v1/rooms/lobby/speakers/alice/audio"


def test_all_fields_are_parsed() -> None:
    voice = parse(f"{AUDIO}?codec=pcm_f32le&sample_rate=48000&channels=2&room_type=dating")
    assert voice == Voice(
        room="lobby", speaker="alice", room_type="dating", codec="pcm_f32le", sample_rate=48_000, channels=2
    )


def test_opus_needs_no_sample_rate() -> None:
    assert parse(f"{AUDIO}?codec=opus").sample_rate == 48_000


@given(NAMES.filter(bool), NAMES.filter(bool))
def test_percent_encoded_names_are_decoded(room: str, speaker: str) -> None:
    target = f"/v1/rooms/{quote(room, safe='')}/speakers/{quote(speaker, safe='')}/audio?sample_rate=16000"
    voice = parse(target)
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
        parse(target)
    assert said in str(caught.value)
    assert "alice" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_target_gives_a_voice_or_an_input_error(path: str, query: str) -> None:
    for target in (path, f"{AUDIO}?{query}", f"/v1/rooms/{path}/speakers/{query}/audio?sample_rate=8000"):
        try:
            assert parse(target).sample_rate >= 8_000
        except InputError:
            continue
