"""Parts are found for speech that is lost in the mean of all channels."""

import io
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk
from pipeline.speech.audio.container import MAIN, Part, Rows
from pipeline.speech.audio.decode import read_rows, samples_of
from pipeline.speech.audio.recording_parts import check_one_part, chunks_of, parts_of
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.stream_decoder import StreamDecoder
from pipeline.speech.audio.vad import shared
from tests.pipeline.speech.audio.sound import DATA, clip, recording

SPEECH = clip("demo-abouttotry")
OTHER = clip("demo-echotest")[: SPEECH.size]
NOTHING = np.zeros_like(SPEECH)


def music() -> Samples:
    times = np.arange(SPEECH.size) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * pitch * times) for pitch in (220, 277, 330, 440))
    return np.asarray(0.06 * chord * (1 + np.sin(4 * np.pi * times)), np.float32)


def written(path: Path, *channels: Samples) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.stack(channels, axis=1).clip(-1, 1) * 32_767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(
    "channels",
    [
        [SPEECH, SPEECH],
        [SPEECH, NOTHING],
        [np.concatenate([SPEECH, NOTHING]), np.concatenate([NOTHING, OTHER])],
        [NOTHING] * 5 + [SPEECH],
        [SPEECH, np.roll(SPEECH, 8) * 0.8],
        [music() + SPEECH, music() + 0.8 * SPEECH],
        [NOTHING, NOTHING],
    ],
)
def test_the_mean_is_the_only_part_if_it_holds_all_speech(channels: list[Samples], tmp_path: Path) -> None:
    assert parts_of(written(tmp_path / "x.wav", *channels), shared()) == [MAIN]


@pytest.mark.parametrize(
    ("channels", "loudest"),
    [
        ([SPEECH, -SPEECH], SPEECH),
        ([0.01 * SPEECH, -0.01 * SPEECH], SPEECH),
        ([music() + 0.3 * SPEECH, music() - 0.3 * SPEECH], SPEECH),
        ([music()] * 5 + [0.3 * SPEECH], SPEECH),
    ],
)
def test_a_channel_is_a_part_if_its_speech_is_lost_in_the_mean(
    channels: list[Samples], loudest: Samples, tmp_path: Path
) -> None:
    path = written(tmp_path / "x.wav", *channels)
    main, extra = parts_of(path, shared())
    assert main == MAIN
    alone = samples_of(path, extra)
    assert abs(np.corrcoef(alone, loudest)[0, 1]) > 0.3
    with pytest.raises(AudioError, match="channels that cancel"):
        check_one_part(path, shared())


def test_two_people_who_speak_at_once_are_separate_parts(tmp_path: Path) -> None:
    path = written(tmp_path / "x.wav", SPEECH, OTHER)
    assert parts_of(path, shared()) == [MAIN, Part(0, 0), Part(0, 1)]
    assert samples_of(path, Part(0, 1)) == pytest.approx(OTHER, abs=1e-3)


def test_a_very_quiet_recording_is_amplified(tmp_path: Path) -> None:
    path = written(tmp_path / "x.wav", 0.001 * SPEECH)
    (part,) = parts_of(path, shared())
    heard = samples_of(path, part)
    assert 0.1 < abs(heard).max() <= 1
    assert np.corrcoef(heard, SPEECH)[0, 1] > 0.95


def test_every_audio_stream_is_a_part(tmp_path: Path) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        streams = [output.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono") for _ in range(2)]
        for stream, samples in zip(streams, (SPEECH, OTHER), strict=True):
            assert isinstance(stream, av.AudioStream)
            frame = av.AudioFrame.from_ndarray((samples * 32_767).astype(np.int16)[None], format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    (path := tmp_path / "two.mka").write_bytes(file.getvalue())
    parts = parts_of(path, shared())
    assert parts == [Part(0), Part(1)]
    for part, samples in zip(parts, (SPEECH, OTHER), strict=True):
        assert samples_of(path, part) == pytest.approx(samples, abs=1e-3)


@pytest.mark.parametrize("count", [2, 6])
def test_a_file_is_not_decoded_once_for_each_channel(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "x.wav", *(SPEECH if number % 2 else OTHER for number in range(count)))
    opened: list[Path] = []

    def read(path: Path, parts: Sequence[Part], name: str | None = None) -> Iterator[Rows]:
        opened.append(path)
        return read_rows(path, parts, name)

    monkeypatch.setattr("pipeline.speech.audio.recording_parts.read_rows", read)
    parts = parts_of(path, shared())
    assert {chunk.speaker for chunk in chunks_of(path, "r", "s", parts=parts)} == {part.of("s") for part in parts}
    assert len(parts) == count + 1
    assert len(opened) == 3  # for the parts, for their loudness, for their chunks


def test_chunks_of_all_parts_come_together_and_each_part_has_a_final_one(tmp_path: Path) -> None:
    path = written(tmp_path / "x.wav", SPEECH, OTHER)
    chunks = list(chunks_of(path, "r", "s", parts=[MAIN, Part(channel=1)]))
    assert [chunk.speaker for chunk in chunks] == ["s", "s, channel 2"] * (len(chunks) // 2)
    assert [chunk.final for chunk in chunks] == [False] * (len(chunks) - 2) + [True] * 2
    heard = np.concatenate([StreamDecoder().decode(chunk) for chunk in chunks[1::2]])
    assert heard == pytest.approx(OTHER, abs=1e-3)


def test_a_recording_that_is_too_long_gives_its_first_seconds(tmp_path: Path) -> None:
    taken: list[AudioChunk] = []
    with pytest.raises(AudioError, match=r"auth-incorrect\.flac is longer than 2\.5 s"):
        taken.extend(chunks_of(DATA / "auth-incorrect.flac", "r", "s", longest=2.5))
    assert [(chunk.start, chunk.final) for chunk in taken] == [(0, False), (1, True)]


def test_speech_after_the_longest_time_is_not_searched(tmp_path: Path) -> None:
    path = written(tmp_path / "x.wav", np.concatenate([NOTHING, SPEECH]), np.concatenate([NOTHING, -SPEECH]))
    assert parts_of(path, shared(), longest=2.0) == [MAIN]
    assert len(parts_of(path, shared())) == 2


def test_a_constant_offset_does_not_hide_speech(tmp_path: Path) -> None:
    path = written(tmp_path / "dc.wav", 0.1 * SPEECH + 0.9)
    heard = samples_of(path)
    assert abs(heard.mean()) < 0.01
    assert np.corrcoef(heard, SPEECH)[0, 1] > 0.99


def test_a_file_becomes_chunks_of_one_second() -> None:
    chunks = list(chunks_of(DATA / "auth-incorrect.flac", "lobby", "ann", "game", start=100.0))
    assert [chunk.start for chunk in chunks] == [100, 101, 102, 103, 104]
    assert [chunk.sequence for chunk in chunks] == [0, 1, 2, 3, 4]
    assert [chunk.final for chunk in chunks] == [False] * 4 + [True]
    assert {(chunk.room, chunk.speaker, chunk.room_type) for chunk in chunks} == {("lobby", "ann", "game")}
    assert np.array_equal(np.concatenate(list(map(StreamDecoder().decode, chunks))), clip("auth-incorrect"))


def test_a_damaged_file_gives_a_final_chunk_before_the_error(tmp_path: Path) -> None:
    whole = recording(clip("auth-incorrect"), "flac", "flac")
    (path := tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    taken: list[AudioChunk] = []
    with pytest.raises(AudioError, match=r"cut\.flac is incomplete"):
        taken.extend(chunks_of(path, "r", "s"))
    assert [chunk.final for chunk in taken] == [False] * (len(taken) - 1) + [True]
    assert len(taken) >= 2


def test_a_missing_file_gives_no_chunk(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="There is no file"):
        next(chunks_of(tmp_path / "missing.wav", "r", "s"))
