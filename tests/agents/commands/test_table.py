"""Flags are rows of one line each, whatever people say in them."""

import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from agents.commands.table import SHAPES, age, arrived_row, clock, decided, flag_row, utc
from pipeline.contract.messages import Decision, Hit, Suggestion
from tests.builders import NOON, flag


def printed(row: Table) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(row)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00.0"), (59.94, "0:59.9"), (59.96, "1:00.0"), (3_599.96, "1:00:00.0"), (3_723.4, "1:02:03.4")],
)
def test_times_are_rounded_before_they_are_divided(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


@given(st.floats(0, 1e6))
def test_the_parts_of_a_time_add_up_to_its_seconds(seconds: float) -> None:
    *hours, minutes, rest = map(float, clock(seconds).split(":"))
    assert minutes < 60
    assert rest < 60
    assert (hours[0] if hours else 0) * 3_600 + minutes * 60 + rest == pytest.approx(seconds, abs=0.051)


@pytest.mark.parametrize("suggestion", ["block", "review", "pass"])
def test_a_row_has_time_shape_word_risk_labels_and_text(suggestion: Suggestion) -> None:
    said = flag("x", -NOON + 3, -NOON + 64.5, suggestion=suggestion, risk=0.97)
    row = printed(flag_row(said))
    assert row.split() == [
        "0:03.0–1:04.5", SHAPES[suggestion], suggestion, "0.97", "violence:", "弄死你", "x",
    ]  # fmt: skip


def test_a_row_of_a_live_room_has_the_speaker_and_the_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOON + 7.25)
    row = printed(arrived_row(flag("x", 0, 5)))
    assert "+2.2 s" in row
    assert "room/ann: violence: 弄死你 x" in row
    assert "+1.2 s" in printed(arrived_row(flag("x", 0, 5), ended=NOON + 6))
    assert "+9999 s" in printed(arrived_row(flag("x", 0, 5), ended=NOON + 7.25 - 9_999))


@settings(max_examples=20)
@given(st.text(st.characters(codec="ascii", categories=["L", "P", "S"]), min_size=1, max_size=20))
def test_words_are_never_markup(text: str) -> None:
    said = flag("x", -NOON, -NOON + 1, text=f"[bold]{text}", hits=(Hit("b", "violence", "high", 1, 5),))
    assert printed(flag_row(said, who="[red]ann")).endswith(f"[red]ann: violence: [bold]{text}")


UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0 s"), (0.9, "0 s"), (59.9, "59 s"), (60, "1 m"), (3_599, "59 m"), (3_600, "1 h"), (172_800, "2 d")],
)
def test_an_age_has_its_largest_whole_unit(seconds: float, shown: str) -> None:
    assert age(seconds) == shown


@given(st.floats(0, 1e9))
def test_an_age_is_never_more_than_the_seconds_and_less_than_one_unit_below(seconds: float) -> None:
    count, unit = age(seconds).split()
    assert int(count) * UNITS[unit] <= seconds < (int(count) + 1) * UNITS[unit]


def test_times_are_utc() -> None:
    assert utc(NOON + 0.9) == "2026-01-01 12:00:00Z"


@pytest.mark.parametrize(
    ("label", "note", "shown"),
    [
        (None, "", "uphold by amy"),
        ("hate", "", "uphold by amy as hate"),
        ("hate", "two\nlines [red]", "uphold by amy as hate: two\N{REPLACEMENT CHARACTER}lines [red]"),
    ],
)
def test_a_decision_is_one_line_without_markup(label: str | None, note: str, shown: str) -> None:
    made = Decision(id="d", case="c", at=NOON, verdict="uphold", moderator="amy", label=label, note=note)
    assert decided(made).plain == f"2026-01-01 12:00:00Z  {shown}"
