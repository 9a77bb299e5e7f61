"""A file is decoded in another process, whose end or limits cost only this file."""

import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.base.errors import AudioError
from pipeline.speech.audio.container import MAIN, Part
from pipeline.speech.audio.decode import facts_of, read_file, read_rows, samples_of
from pipeline.speech.audio.decoder_process import CPU_SECONDS, MEMORY_BYTES, end_idle
from tests.pipeline.speech.audio.sound import clip, recording

SPEECH = clip("sense-and-sensibility")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    end_idle()
    (path := tmp_path / "speech.flac").write_bytes(recording(SPEECH, "flac", "flac"))
    yield path
    end_idle()


def children() -> set[int]:
    """The ids of the processes that this one has started."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(number) for task in tasks for number in task.read_text().split()}


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (signal.SIGSEGV, r"speech\.flac made the decoder fail \(SIGSEGV\)"),
        (signal.SIGXCPU, r"speech\.flac takes more than 60 s of CPU time"),
    ],
)
def test_a_decoder_that_ends_costs_one_file_and_not_the_process(number: int, says: str, path: Path) -> None:
    before = children()
    blocks = read_file(path)
    heard = [next(blocks), next(blocks)]
    (decoder,) = children() - before
    os.kill(decoder, number)
    with pytest.raises(AudioError, match=says):
        heard.extend(blocks)
    assert np.array_equal(np.concatenate(heard), SPEECH[: 16_000 * len(heard)])
    assert samples_of(path).size == SPEECH.size


def test_a_decoder_knows_no_secrets(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_KAFKA__SECURITY__PASSWORD", "hunter2")
    before = children()
    blocks = read_file(path)
    next(blocks)
    (decoder,) = children() - before
    assert b"hunter2" not in Path(f"/proc/{decoder}/environ").read_bytes()


def m4a_with_a_huge_index(samples: int) -> bytes:
    """A file of 20 kB whose index states so many samples of one byte. FFmpeg takes 24 bytes of memory for each."""
    data = bytearray(recording(clip("tt-weasels"), "ipod", "aac"))
    for box, place, values in ((b"stsz", 8, (1, samples)), (b"stsc", 16, (samples,)), (b"stts", 12, (samples,))):
        at = data.index(box) + place
        data[at : at + 4 * len(values)] = struct.pack(f">{len(values)}I", *values)
    return bytes(data)


def test_a_small_file_cannot_take_much_memory(path: Path) -> None:
    before = children()
    path.write_bytes(m4a_with_a_huge_index(60_000_000))
    with pytest.raises(AudioError, match=r"speech\.flac has no samples that can be decoded"):
        list(read_file(path))
    (decoder,) = children() - before
    status = Path(f"/proc/{decoder}/status").read_text().splitlines()
    (peak,) = (int(line.split()[1]) << 10 for line in status if line.startswith("VmPeak"))
    assert peak < MEMORY_BYTES


def test_a_decoder_may_use_little_time_for_a_block(path: Path) -> None:
    before = children()
    blocks = read_file(path)
    next(blocks)
    (decoder,) = children() - before
    limits = Path(f"/proc/{decoder}/limits").read_text().splitlines()
    (seconds,) = (int(line.split()[3]) for line in limits if line.startswith("Max cpu time"))
    assert CPU_SECONDS <= seconds <= 2 * CPU_SECONDS


def test_one_process_decodes_one_file_after_the_other(path: Path) -> None:
    before = children()
    whole = samples_of(path)
    (decoder,) = children() - before
    (broken := path.with_name("broken")).write_bytes(b"minutes of the meeting\n" * 100)
    with pytest.raises(AudioError, match="broken cannot be read as audio"):
        facts_of(broken)
    next(read_file(path))  # left after a second
    assert np.array_equal(samples_of(path), whole)
    assert children() - before == {decoder}
    end_idle()
    assert children() == before


def test_an_idle_decoder_that_was_killed_is_replaced(path: Path) -> None:
    before = children()
    whole = samples_of(path)
    (decoder,) = children() - before
    os.kill(decoder, signal.SIGKILL)
    os.waitid(os.P_PID, decoder, os.WEXITED | os.WNOWAIT)
    assert np.array_equal(samples_of(path), whole)


def test_files_can_be_decoded_at_the_same_time(path: Path) -> None:
    pairs = list(zip(read_file(path), read_file(path), strict=True))
    assert all(np.array_equal(one, other) for one, other in pairs)
    assert sum(one.size for one, _ in pairs) == SPEECH.size


def test_an_idle_decoder_keeps_no_file_open(path: Path) -> None:
    before = children()
    next(read_file(path))
    samples_of(path)
    (decoder,) = children() - before
    assert str(path) not in {str(each.readlink()) for each in Path(f"/proc/{decoder}/fd").iterdir()}


def test_all_parts_of_a_stream_are_decoded_in_one_reading(path: Path) -> None:
    path.write_bytes(recording(SPEECH, "wav", "pcm_s16le", layout="stereo"))
    parts = [MAIN, Part(channel=1), Part(channel=0, gain=0.5)]
    rows = np.concatenate([*read_rows(path, parts)], axis=1)
    for part, row in zip(parts, rows, strict=True):
        assert np.array_equal(samples_of(path, part), row)


def test_a_name_that_is_no_text_comes_back_in_the_error(tmp_path: Path) -> None:
    (path := tmp_path / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"no audio")
    with pytest.raises(AudioError) as caught:
        facts_of(path)
    assert str(path) in caught.value.what
