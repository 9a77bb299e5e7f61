"""A fingerprint is made of a recording of any length, unless the recording cannot be told from others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pipeline.base.errors import InputError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.fingerprints import fingerprint as module
from pipeline.sound.fingerprints.fingerprint import ban_of, fingerprint
from pipeline.sound.fingerprints.landmarks import HASHES, Landmarks, packed, unpacked
from tests.pipeline.sound.fingerprints.music import BAN, banned, tune


def test_the_same_sound_has_the_same_id() -> None:
    again = fingerprint(np.array_split(tune(1), 20), structs.replace(BAN, title="Another title"))
    assert again.id == banned(1).id != banned(2).id
    assert again.recording.seconds == 20.0
    assert again.recording.ban.title == "Another title"


def test_silence_is_no_recording() -> None:
    with pytest.raises(InputError, match=r"^A song has 0 landmarks, and 100 are needed\. Use a longer recording"):
        fingerprint([np.zeros(SAMPLE_RATE, np.float32)] * 9, BAN)


def test_a_recording_that_is_too_long_is_refused_before_it_is_read_to_its_end() -> None:
    blocks = iter([tune(1)[:SAMPLE_RATE]] * 9)
    with pytest.raises(InputError, match=r"A song is longer than 0.05 minutes\. Cut it into parts\."):
        fingerprint(blocks, BAN, longest=3.0)
    assert len([*blocks]) == 5


def test_a_recording_with_too_many_landmarks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LANDMARKS", 200)
    with pytest.raises(InputError, match="A song has more than 200 landmarks"):
        fingerprint([tune(1)], BAN)


@pytest.mark.parametrize(
    "changes",
    [{"title": ""}, {"reason": "two\nlines"}, {"reason": "x" * 301}, {"title": "\udcff"}, {"label": "x" * 101}],
)
def test_a_ban_that_could_not_be_stored_is_refused(changes: dict[str, str]) -> None:
    assert ban_of("A song", "a test", "", "lin", 1.8e9) == BAN
    with pytest.raises(InputError, match=r"The ban of .* is wrong.*in one line each"):
        ban_of(**{"title": "A song", "reason": "a test", "label": ""} | changes, added_by="lin", added_at=1.8e9)


@given(st.lists(st.tuples(st.integers(0, HASHES - 1), st.integers(0, 2**24))))
def test_landmarks_are_read_as_they_were_packed(marks: list[tuple[int, int]]) -> None:
    columns = np.array(marks, np.int64).reshape(-1, 2).T
    found = unpacked(packed(Landmarks(*columns)))
    assert [part.tolist() for part in found] == columns.tolist()
