"""The query language: its terms, its errors, and any text at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.review.search.query import (
    FIELDS,
    MOST_CHARACTERS,
    MOST_TERMS,
    QueryError,
    QueryTerm,
    parse_query,
    write_query,
)


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
