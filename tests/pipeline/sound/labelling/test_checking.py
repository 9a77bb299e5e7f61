"""The labelling of whole recordings."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.base.errors import AudioError
from pipeline.sound.labelling.checking import ExplicitLabel, Heard, LabelCheck, Labelling, Position, Verdict
from tests.builders import transcript
from tests.pipeline.sound.labelling.made import FIELD, recorded, rhythm
from tests.pipeline.speech.audio.sound import silence

SPEECH = transcript(text="本音频由AI生成", start=0.2, end=2.0, language="zh")
OTHER = transcript(text="大家好", start=0.2, end=2.0, language="zh")


def check(folder: Path, data: bytes, heard: Heard | None = None) -> Labelling:
    (folder / "a.wav").write_bytes(data)
    (found,) = LabelCheck([folder / "a.wav"], heard=heard)
    return found


def said(folder: Path, *results: object) -> Heard:
    return iter([(folder / "a.wav", result) for result in results])  # type: ignore[misc]


@pytest.mark.parametrize("tags", [{}, {"comment": FIELD}])
@pytest.mark.parametrize("sound", [silence(2), np.concatenate([silence(1), rhythm(), silence(1)])])
@pytest.mark.parametrize("spoken", [SPEECH, OTHER, None])
def test_a_recording_needs_an_explicit_and_an_implicit_label(
    tmp_path: Path, tags: dict[str, str], sound: np.ndarray, spoken: object
) -> None:
    found = check(tmp_path, recorded(sound, tags=tags), said(tmp_path, spoken) if spoken else None)
    has_rhythm, has_notice = sound.size > 40_000, spoken is SPEECH
    assert [mark.kind for mark in found.marks] == ["notice"] * has_notice + ["rhythm"] * has_rhythm
    explicit = True if has_rhythm or has_notice else (False if spoken else None)
    verdicts: dict[tuple[bool | None, bool], Verdict] = {
        (True, True): "complete",
        (True, False): "incomplete",
        (False, True): "incomplete",
        (False, False): "none",
        (None, True): "unknown",
        (None, False): "unknown",
    }
    assert (found.explicit, found.implicit) == (explicit, bool(tags))
    assert found.verdict == verdicts[explicit, bool(tags)]


def test_marks_come_in_order_of_time(tmp_path: Path) -> None:
    sound = np.concatenate([silence(3), rhythm(), silence(1)])
    found = check(tmp_path, recorded(sound), said(tmp_path, OTHER, SPEECH))
    assert [(mark.kind, mark.text) for mark in found.marks] == [("notice", "本音频由AI生成"), ("rhythm", "")]
    assert found.marks[1].start == pytest.approx(3, abs=0.05)
    assert found.seconds == pytest.approx(sound.size / 16_000)


@pytest.mark.parametrize(
    ("start", "end", "position"), [(0, 1, "start"), (9, 12, "start"), (30, 31, "middle"), (95, 99, "end")]
)
def test_a_mark_is_at_the_start_or_the_end_or_between(start: float, end: float, position: Position) -> None:
    assert ExplicitLabel("rhythm", start, end).position(100) == position
    assert ExplicitLabel("rhythm", 0.5, 1).position(2) == "start"
    assert ExplicitLabel("rhythm", 1, 1.5).position(2) == "end"


def test_a_damaged_recording_keeps_what_was_found(tmp_path: Path) -> None:
    data = recorded(np.concatenate([rhythm(), silence(4)]), tags={"comment": FIELD})
    found = check(tmp_path, data[:-60_000], said(tmp_path, AudioError("the same damage")))
    assert found.error
    assert "incomplete" in found.error
    assert found.verdict == "complete"


def test_damage_leaves_a_missing_label_unknown(tmp_path: Path) -> None:
    found = check(tmp_path, recorded(silence(4))[:-60_000], said(tmp_path))
    assert (found.explicit, found.verdict) == (None, "unknown")


def test_each_recording_has_its_own_transcripts(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.wav", "b.wav", "c.wav", "gone.wav")]
    for path in paths[:3]:
        path.write_bytes(recorded(silence(1)))
    heard: Heard = iter([(paths[0], OTHER), (paths[2], OTHER), (paths[2], SPEECH), (paths[3], AudioError("gone"))])
    advanced: list[float] = []
    found = list(LabelCheck(paths, {paths[0]: "shown"}, heard, advanced.append))
    assert [len(each.marks) for each in found] == [0, 0, 1, 0]
    assert [each.file for each in found] == ["shown", *map(str, paths[1:])]
    assert [each.verdict for each in found] == ["none", "none", "incomplete", "unknown"]
    assert sum(advanced) == pytest.approx(3)
