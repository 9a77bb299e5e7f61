"""Frames that the gateway accepts can be decoded by segment, and have the length that the gateway counted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.gateway.audio_session import Arrival, AudioSession, Frame
from agents.gateway.connection_request import Voice
from pipeline.base.errors import InputError
from pipeline.contract.cloud_events import decode_event, encode_event
from pipeline.contract.messages import AudioChunk
from pipeline.speech.audio.stream_codecs import samples_in
from pipeline.speech.audio.stream_decoder import StreamDecoder

OPUS = Voice(room="r", speaker="s", codec="opus", sample_rate=48_000)
PCM = Voice(room="r", speaker="s", codec="pcm_f32le", sample_rate=48_000, channels=2)
FILTER = 200
"""The most samples that two filters hold back or add."""


def checked(data: bytes, voice: Voice) -> Frame | None:
    try:
        return Frame(data, samples_in(data, voice.codec, voice.channels)) if data else None
    except InputError:
        return None


@settings(max_examples=60)
@given(st.sampled_from([OPUS, PCM]), st.lists(st.lists(st.binary(max_size=60), max_size=12), max_size=4))
def test_segment_decodes_every_accepted_frame(voice: Voice, reads: list[list[bytes]]) -> None:
    session, decoder = AudioSession(voice, gap=1.0, ahead=10.0, largest=400), StreamDecoder()
    told = heard = 0
    for number, read in enumerate(reads):
        frames = [frame for data in read if (frame := checked(data, voice))]
        for chunk, samples in session.chunks(frames, Arrival(1e9 + number)):
            event = encode_event(chunk, "gateway")
            heard += decoder.decode(decode_event(AudioChunk, event.value, event.headers)).size
            told += samples
    heard += decoder.flush().size
    assert decoder.concealed == 0
    assert abs(told / 3 - heard) <= FILTER
