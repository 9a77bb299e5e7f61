"""Some of the odd inputs of `python -m benchmarks.odd`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import odd
from pipeline.base.errors import AudioError
from pipeline.speech.audio.decode import read_file
from pipeline.speech.audio.recording_parts import parts_of
from pipeline.speech.audio.vad import shared
from tests.odd import recordings, sheets, texts
from tests.odd.shells import SHELLS


def test_there_are_more_than_150_odd() -> None:
    names = [
        *(name for name, _, _ in recordings.whole()),
        *(name for name, _, _ in recordings.wavs()),
        *(name for name, _, _ in texts.lines()),
        *sheets.SHEETS,
        *(line.line for line in SHELLS),
    ]
    assert len(names) > 150


@pytest.mark.parametrize("form", sheets.FORMS)
def test_no_sheet_is_accepted(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "FORMS", {form: sheets.FORMS[form]})
    assert [outcome for outcome in odd.checked(tmp_path) if outcome.wrong] == []


@pytest.mark.parametrize("make", [recordings.damaged, recordings.wavs, recordings.lengths, recordings.none])
def test_inputs_that_must_be_refused_are_refused(make: Callable[[], Iterator[recordings.Case]], tmp_path: Path) -> None:
    for name, content, allowed in make():
        (path := tmp_path / name).write_bytes(content)
        refused = False
        try:
            for part in parts_of(path, shared()):
                list(read_file(path, part))
        except AudioError as error:
            refused = str(path) in str(error)
        assert refused or allowed != {recordings.REFUSED}, name
        assert not refused or recordings.REFUSED in allowed, name
