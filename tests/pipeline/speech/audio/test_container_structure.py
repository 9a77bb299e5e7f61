"""Files that decode without an error, although the decoder does not read all of their audio."""

from contextlib import suppress

import pytest

from pipeline.base.errors import AudioError
from pipeline.speech.audio.container_structure import CHECKS, fault_of
from tests.pipeline.speech.audio.container_structure.files import JUNK, KINDS, fault_in, heard, length, made


@pytest.mark.parametrize("kind", KINDS)
def test_complete_files_are_accepted(kind: str) -> None:
    assert heard(made(kind)) == pytest.approx(length("tt-weasels"), abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_recording_after_the_first_is_decoded_or_refused(kind: str) -> None:
    seconds = None
    with suppress(AudioError):
        seconds = heard(made(kind) + made(kind, "dir-nomatch"))
    assert seconds is None or seconds == pytest.approx(length("tt-weasels", "dir-nomatch"), abs=0.2)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "au"])
def test_random_data_after_the_recording_is_refused(kind: str) -> None:
    with pytest.raises(AudioError, match=r"the file (was not decoded completely|is damaged|is incomplete)"):
        heard(made(kind) + JUNK)


def test_every_kind_has_the_check_of_its_container() -> None:
    flagged = {kind for kind in CHECKS if fault_in(lambda *a, kind=kind: fault_of(kind, *a), JUNK)}
    assert flagged == CHECKS.keys()
    assert fault_in(lambda *a: fault_of("mpegts", *a), JUNK) is None
