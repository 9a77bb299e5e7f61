"""Dead letters are chosen as the command says, and none by mistake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError, InputError
from pipeline.runner.dead_letter_store import Letter, LetterFilter, check_chosen, chosen_of, mark_repeated

HOWS = st.sampled_from([None, "replayed", "dropped"])
ORIGINS = st.sampled_from([None, "voice.chunks/0/1", "voice.chunks/0/2", "voice.chunks/1/1"])


def letter(
    number: int, origin: str | None = None, handled: str | None = None, stage: str = "judge", reason: str = "No text"
) -> Letter:
    return Letter(f"voice.dead-letters/0/{number}", origin, stage, reason, float(number), 10, False, 0, handled)


@st.composite
def letters(draw: st.DrawFn) -> list[Letter]:
    fields = draw(st.lists(st.tuples(ORIGINS, HOWS), max_size=12))
    return [letter(number, origin, handled) for number, (origin, handled) in enumerate(fields)]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (LetterFilter(), [1, 2, 3]),
        (LetterFilter(handled=True), [1, 2, 3, 4]),
        (LetterFilter(stage="asr"), [2]),
        (LetterFilter(stage="as"), []),
        (LetterFilter(reason="NO FLAC"), [2, 3]),
        (LetterFilter(since=2.0), [2, 3]),
        (LetterFilter(since=2.1, handled=True), [3, 4]),
        (LetterFilter(["voice.dead-letters/0/3", "origin/one"]), [1, 3]),
        (LetterFilter(["voice.dead-letters/0/4"]), []),
        (LetterFilter(["origin/one"], stage="asr"), []),
    ],
)
def test_a_letter_is_taken_if_every_given_field_fits(wanted: LetterFilter, numbers: list[int]) -> None:
    found = [
        letter(1, "origin/one"),
        letter(2, stage="asr", reason="no FLAC"),
        letter(3, reason="Some: No flac. Send some."),
        letter(4, handled="dropped"),
    ]
    assert [each.at for each in found if wanted.takes(each)] == numbers
    assert chosen_of(found, wanted) == [each for each in found if wanted.takes(each)]


def test_an_unknown_address_is_an_error_although_others_are_known() -> None:
    with pytest.raises(InputError, match="There is no dead letter voice/0/9"):
        chosen_of([letter(1)], LetterFilter(["voice.dead-letters/0/1", "voice/0/9"]))
    assert chosen_of([letter(1)], LetterFilter(["voice.dead-letters/0/1"], stage="asr")) == []


def test_nothing_is_replayed_or_dropped_unless_letters_are_selected() -> None:
    for wanted in (LetterFilter(), LetterFilter(handled=True), LetterFilter([]), LetterFilter(reason="")):
        with pytest.raises(ConfigError, match="No letters are selected"):
            check_chosen(wanted, everything=False)
        check_chosen(wanted, everything=True)
    for wanted in (LetterFilter(["a"]), LetterFilter(stage="asr"), LetterFilter(reason="x"), LetterFilter(since=1.0)):
        check_chosen(wanted, everything=False)


@given(letters())
def test_each_record_is_listed_once_and_no_letter_is_lost(found: list[Letter]) -> None:
    marked = mark_repeated(found)
    assert [each.address for each in marked] == [each.address for each in found]
    for each, before in zip(marked, found, strict=True):
        earlier = [other for other in found if other.at < each.at and other.origin == each.origin]
        repeats = before.handled is None and before.origin is not None and bool(earlier)
        assert each.handled == ("repeated" if repeats else before.handled)


@given(letters())
def test_telling_twice_changes_nothing(found: list[Letter]) -> None:
    assert mark_repeated(mark_repeated(found)) == mark_repeated(found)
