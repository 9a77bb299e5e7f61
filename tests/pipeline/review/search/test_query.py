"""The query language: its terms, its errors, and any text at all."""

from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge import labels
from pipeline.review.search.query import (
    FIELDS,
    MOST_CHARACTERS,
    MOST_TERMS,
    QueryError,
    QueryTerm,
    Wanted,
    parse_query,
    plan,
    write_query,
)
from tests.builders import NOON


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        ("返现", (QueryTerm("said", ("返现",)),)),
        ("返现 | cashback", (QueryTerm("said", ("返现", "cashback")),)),
        ("said:返现 room:lobby", (QueryTerm("said", ("返现",)), QueryTerm("room", ("lobby",)))),
        ('"piece of dirt"', (QueryTerm("said", ("piece of dirt",)),)),
        ("说过：“先转 两百” 标签：fraud", (QueryTerm("said", ("先转 两百",)), QueryTerm("label", ("fraud",)))),
        (r'speaker:"a:b|\"c\""', (QueryTerm("speaker", ('a:b|"c"',)),)),
        ("speaker:a/b:c", (QueryTerm("speaker", ("a/b:c",)),)),
        ("label:fraud|abuse|fraud when:7d", (QueryTerm("label", ("fraud", "abuse")), QueryTerm("when", ("7d",)))),
    ],
)
def test_a_query_has_terms(text: str, terms: tuple[QueryTerm, ...]) -> None:
    assert parse_query(text) == terms


@pytest.mark.parametrize(
    ("text", "problem", "token"),
    [
        ("colour:red", "field", "colour"),
        ("room: lobby", "empty", "room:"),
        ("room:", "empty", "room:"),
        ("a |", "empty", "said:"),
        ("| a", "empty", "|"),
        ('""', "empty", '""'),
        ('room:"lobby', "quote", '"lobby'),
        ("a" * (MOST_CHARACTERS + 1), "long", str(MOST_CHARACTERS)),
        ("ab " * (MOST_TERMS + 1), "many", "ab "),
    ],
)
def test_an_error_names_the_wrong_part(text: str, problem: str, token: str) -> None:
    with pytest.raises(QueryError) as raised:
        parse_query(text)
    assert (raised.value.problem, raised.value.token) == (problem, token)
    assert token in str(raised.value)
    assert raised.value.remedy


@given(st.text(max_size=200) | st.lists(st.sampled_from([*'|:："“”\\ x返', "said:", "when:"])).map("".join))
def test_any_text_gives_terms_or_an_error_that_names_a_part(text: str) -> None:
    result = understood(text)
    if isinstance(result, QueryError):
        assert result.remedy
        assert result.token in text.replace("\x00", " ") or result.problem in {"long", "empty"}
    else:
        assert all(value.strip() for term in result for value in term.values)


def understood(text: str) -> tuple[QueryTerm, ...] | QueryError:
    try:
        return parse_query(text)
    except QueryError as error:
        return error


@given(
    st.lists(
        st.builds(
            QueryTerm,
            st.sampled_from(FIELDS),
            st.lists(st.text(st.characters(exclude_characters="\x00"), min_size=1, max_size=20), min_size=1, max_size=3)
            .map(lambda values: tuple(dict.fromkeys(values)))
            .filter(lambda values: all(value.strip() for value in values)),
        ),
        max_size=4,
    )
)
def test_a_written_query_is_read_as_it_was(terms: list[QueryTerm]) -> None:
    assert parse_query(write_query(terms)) == tuple(terms)


LABELS = labels.load_labels()
DAY = 86_400.0
MIDNIGHT = NOON - DAY / 2
"""The start of NOON's day in UTC."""


def planned(text: str) -> Wanted:
    return plan(parse_query(text), LABELS, NOON)


def test_names_become_ids_in_both_languages() -> None:
    assert planned('label:fraud|"insult and harassment"').label == ("fraud", "abuse")
    assert planned(f"label:{LABELS.labels['fraud'].name('zh')}").label == ("fraud",)
    assert planned("status:open|已审 verdict:no-violation 严重度：高|critical has:audio") == Wanted(
        status=("pending", "decided"), verdict=("dismiss",), severity=(2, 3), has=("audio",)
    )


def test_words_are_folded_and_terms_of_words_are_all_needed() -> None:
    assert planned("ＣＡＳＨ|返現 群").said == (("cash", "返现"), ("群",))


def test_two_terms_of_a_field_are_alternatives() -> None:
    assert planned("room:a room:b|c").room == ("a", "b", "c")


@pytest.mark.parametrize(
    ("when", "since", "until"),
    [
        ("24h", NOON - DAY, None),
        ("2w", NOON - 14 * DAY, None),
        ("today", MIDNIGHT, MIDNIGHT + DAY),
        ("昨天", MIDNIGHT - DAY, MIDNIGHT),
        ("2026-01-01", MIDNIGHT, MIDNIGHT + DAY),
        ("2025-12-30..yesterday", MIDNIGHT - 2 * DAY, MIDNIGHT),
        ("2025-12-30..", MIDNIGHT - 2 * DAY, None),
        ("..today", None, MIDNIGHT + DAY),
    ],
)
def test_times(when: str, since: float | None, until: float | None) -> None:
    wanted = planned(f"when:{when}")
    assert (wanted.since, wanted.until) == (since, until)


def test_two_times_must_both_hold_and_days_are_those_of_the_zone() -> None:
    wanted = planned("when:7d when:..yesterday")
    assert (wanted.since, wanted.until) == (NOON - 7 * DAY, MIDNIGHT)
    shanghai = plan(parse_query("when:today"), LABELS, NOON, timezone(timedelta(hours=8)))
    assert shanghai.since == MIDNIGHT - 8 * 3_600


@pytest.mark.parametrize(
    ("text", "problem", "token"),
    [
        ("label:fruad", "value", "fruad"),
        ("status:shut", "value", "shut"),
        ("has:gold", "value", "gold"),
        ("a", "short", "a"),
        ("!!", "short", "!!"),
        ("when:soon", "when", "soon"),
        ("when:2026-02-30", "when", "2026-02-30"),
        ("when:0001-01-01", "when", "0001-01-01"),
        ("when:..", "when", ".."),
        ("when:7d|8d", "when", "7d|8d"),
    ],
)
def test_an_error_names_the_wrong_value(text: str, problem: str, token: str) -> None:
    with pytest.raises(QueryError) as raised:
        planned(text)
    assert (raised.value.problem, raised.value.token) == (problem, token)


def test_an_error_lists_the_possible_values() -> None:
    with pytest.raises(QueryError, match=r"Use one of open, escalated, decided\."):
        planned("status:shut")
