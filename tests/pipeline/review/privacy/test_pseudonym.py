"""The audit log names a speaker by a pseudonym that only their id can find again."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from pipeline.review.privacy.pseudonym import pseudonym


def test_a_pseudonym_never_changes() -> None:
    # Old lines of the log have pseudonyms of this kind, and people must still find them.
    assert pseudonym("ann") == sha256(b"speaker\x1fann").hexdigest()[:16]


@given(st.lists(st.text("ab中 \x1f", max_size=9), min_size=2, unique=True))
def test_each_speaker_has_their_own_pseudonym(speakers: list[str]) -> None:
    found = {pseudonym(speaker) for speaker in speakers}
    assert len(found) == len(speakers)
    assert all(len(one) == 16 and set(one) <= set("0123456789abcdef") for one in found)
