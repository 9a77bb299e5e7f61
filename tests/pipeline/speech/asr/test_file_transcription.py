from collections.abc import Sequence
from pathlib import Path
from threading import Semaphore

import numpy as np
import pytest

from pipeline.base.errors import VoxwardenError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, Transcript, Utterance
from pipeline.settings import Asr, Audio
from pipeline.speech.asr.file_transcription import UtteranceFiles, transcribed
from pipeline.speech.asr.recogniser import Clip, HasRoom, Recognition, always_room
from pipeline.speech.asr.transcribe_stage import Transcribe
from pipeline.speech.audio import vad
from pipeline.speech.audio.encode import decode_flac, encode_flac
from pipeline.speech.audio.segment_stage import Segment
from tests.pipeline.speech.asr.parts import DATA, Scripted, recognition, speech


@pytest.fixture
def segment() -> Segment:
    return Segment(Audio(), Metrics(), vad.shared())


def utterances(found: Sequence[tuple[Path, Utterance | VoxwardenError]]) -> list[tuple[str, float, float]]:
    return [(path.stem, item.start, item.end) for path, item in found if isinstance(item, Utterance)]


def test_a_short_file_is_one_utterance(segment: Segment) -> None:
    path = DATA / "demo-abouttotry.flac"
    ((_, found),) = UtteranceFiles([path], segment, whole=True)
    assert isinstance(found, Utterance)
    np.testing.assert_array_equal(decode_flac(found.data), speech("demo-abouttotry"))
    assert (found.start, found.end) == (0.0, len(speech("demo-abouttotry")) / SAMPLE_RATE)
    assert len(list(UtteranceFiles([path], segment))) > 1


def test_a_long_file_is_cut(segment: Segment, tmp_path: Path) -> None:
    twice = np.concatenate([speech("demo-echotest")] * 2)
    (tmp_path / "long.flac").write_bytes(encode_flac(twice))
    found = utterances(list(UtteranceFiles([tmp_path / "long.flac"], segment, whole=True)))
    assert len(found) >= 4
    assert all(end - start <= 15 for _, start, end in found)


@pytest.mark.parametrize("whole", [True, False])
def test_a_damaged_file_gives_its_good_part_then_its_error(segment: Segment, tmp_path: Path, whole: bool) -> None:
    data = (DATA / "demo-abouttotry.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(data[: len(data) * 2 // 3])
    (tmp_path / "none.wav").write_bytes(b"no audio at all")
    paths = [tmp_path / "cut.flac", tmp_path / "none.wav", DATA / "tt-weasels.flac"]
    found = list(UtteranceFiles(paths, segment, whole=whole))
    assert {path.stem for path, item in found if isinstance(item, Utterance)} == {"cut", "tt-weasels"}
    errors = [(path.stem, str(item)) for path, item in found if isinstance(item, VoxwardenError)]
    assert [stem for stem, _ in errors] == ["cut", "none"]
    assert all(str(path) in text for path, (_, text) in zip(paths, errors, strict=False))


def test_the_progress_adds_up_to_the_length_of_the_files(segment: Segment) -> None:
    seconds: list[float] = []
    list(UtteranceFiles([DATA / "tt-weasels.flac"], segment, advance=seconds.append))
    assert sum(seconds) == pytest.approx(len(speech("tt-weasels")) / SAMPLE_RATE)


def test_files_share_batches_and_results_are_in_order(segment: Segment) -> None:
    names = ["tt-weasels", "nope", "conf-invalidpin", "dir-nomatch"]
    recordings = UtteranceFiles([DATA / f"{name}.flac" for name in names], segment, whole=True)
    transcriber = Scripted([recognition(text) for text in "abc"])
    stage = Transcribe(transcriber, Asr(), Metrics())
    found = [(path.stem, item) for path, item in transcribed(recordings, stage)]
    assert [stem for stem, _ in found] == names
    assert [item.text for _, item in found if isinstance(item, Transcript)] == ["a", "b", "c"]
    assert transcriber.batches == [3]


def test_a_call_of_the_stage_has_enough_seconds_of_speech(segment: Segment) -> None:
    path = DATA / "tt-weasels.flac"
    transcriber = Scripted([recognition("a")] * 5)
    recordings = UtteranceFiles([path] * 5, segment, whole=True)
    assert len(list(transcribed(recordings, Transcribe(transcriber, Asr(), Metrics()), seconds=4.0))) == 5
    assert transcriber.batches == [2, 2, 1]  # the clip has 2.95 s


def test_the_next_files_are_read_while_the_stage_works(segment: Segment) -> None:
    read = Semaphore(0)

    class Waits(Scripted):
        def transcribe(
            self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
        ) -> list[Recognition]:
            # A second file is read before the first one is transcribed, unless nobody reads meanwhile.
            assert self.batches or (read.acquire(timeout=60) and read.acquire(timeout=60))
            return super().transcribe(clips)

    recordings = UtteranceFiles([DATA / "tt-weasels.flac"] * 2, segment, whole=True, advance=lambda _: read.release())
    stage = Transcribe(Waits([recognition("a")] * 2), Asr(), Metrics())
    assert len(list(transcribed(recordings, stage, seconds=1.0))) == 2
