"""The leads' figures, and that the list behind a figure has as many cases as the figure counts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import Verdict
from pipeline.review.accounts import accounts
from pipeline.review.cases import appeals, deciding, leases, reading
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import agreement_figures, drawing, lead_figures, quality_checks
from pipeline.review.quality.lead_figures import DAY, HOUR, WINDOW, Forecast, What
from pipeline.review.quality.statistics import Share
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag

RANKING = Ranking({"violence": 2, "abuse": 0})
AT = NOON + 2 * DAY
"""The moment of most figures here."""


class Shift:
    """A store, and what people did in it before AT."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.store = SqlReviewStore(database, ranking=RANKING)
        self.evidence = EvidenceFolder(folder)

    def add(self, name: str, ago: float, label: str = "violence") -> str:
        """Store a case `ago` seconds before AT."""
        one = flag(name, 0, 5, flagged=(label,), room=name, speaker=name)
        return self.store.add([one], AT - ago)[0].case

    def decide(self, case: str, who: str, ago: float, verdict: Verdict = "uphold") -> None:
        self.store.decide(case, who, Choice(verdict=verdict), AT - ago)

    def hold(self, case: str, who: str, ago: float = 0.0) -> None:
        with self.database.write() as connection:
            leases.claim(connection, case, who, AT - ago, 300)

    def found(self, what: What, *, severity: int | None = None, account: str = "", label: str = "") -> list[str]:
        with self.database.read() as connection:
            cases = lead_figures.found(connection, what, AT, severity=severity, account=account, label=label)
        return [case.id for case in cases]


@pytest.fixture
def shift(database: Database, tmp_path: Path) -> Shift:
    return Shift(database, tmp_path / "evidence")


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_the_forecast_is_the_time_until_the_queue_is_empty(waiting: int, arrived: int, decided: int) -> None:
    seconds = Forecast(waiting, arrived, decided).seconds
    if waiting and decided <= arrived:
        assert seconds is None
    else:
        assert seconds is not None
        assert seconds * (decided - arrived) == pytest.approx(waiting * HOUR)


def test_the_backlog_has_a_line_for_each_severity_with_open_cases(shift: Shift) -> None:
    old, _, mild = shift.add("a", 2 * HOUR), shift.add("b", 60), shift.add("c", 30, "abuse")
    shift.decide(shift.add("d", 3 * HOUR), "ana", 0)
    with shift.database.read() as connection:
        lines = lead_figures.backlog(connection, reading.open_groups(connection, AT), AT)
    found = [(one.severity, one.open, one.late, one.oldest, one.oldest_case, one.over) for one in lines]
    assert found == [(2, 2, 1, 2 * HOUR, old, True), (0, 1, 0, 30, mild, False)]
    assert (len(shift.found("open", severity=2)), len(shift.found("late", severity=2))) == (2, 1)
    assert shift.found("late") == [old]


def test_a_case_that_is_decided_meanwhile_is_not_the_oldest_one(shift: Shift) -> None:
    gone, kept = shift.add("a", 100), shift.add("b", 50)
    only = shift.add("c", 40, "abuse")
    with shift.database.read() as connection:
        waiting = reading.open_groups(connection, AT)
    for case in (gone, only):
        shift.decide(case, "ana", 1)
    with shift.database.read() as connection:
        found = lead_figures.backlog(connection, waiting, AT)
    assert [(one.severity, one.oldest_case, one.oldest) for one in found] == [(2, kept, 50)]


def test_an_empty_queue_has_no_backlog_and_no_time_to_wait(shift: Shift) -> None:
    with shift.database.read() as connection:
        assert lead_figures.backlog(connection, reading.open_groups(connection, AT), AT) == []
        assert lead_figures.forecast(connection, AT).seconds == 0.0
        assert lead_figures.in_time(connection, NOON).n == 0


def test_the_forecast_counts_the_last_hour(shift: Shift) -> None:
    cases = [shift.add(str(n), ago) for n, ago in enumerate((HOUR + 1, HOUR - 1, 10, HOUR))]
    shift.decide(cases[0], "ana", 60)
    shift.decide(cases[1], "ana", 50, "escalate")
    with shift.database.read() as connection:
        found = lead_figures.forecast(connection, AT)
    assert (found.open, found.arrived, found.decided) == (3, 2, 1)
    assert len(shift.found("open")) == 3
    assert set(shift.found("arrived")) == set(cases[1:3])
    assert shift.found("decided_lately") == cases[:1]


def test_a_decision_on_the_deadline_is_in_time(shift: Shift) -> None:
    on_time, late, old = shift.add("a", 3 * HOUR), shift.add("b", 3 * HOUR), shift.add("c", 2 * DAY)
    due = shift.store.case(on_time).case.due_at
    for case, at in ((on_time, due), (late, due + 0.5), (old, AT - DAY)):
        shift.store.decide(case, "ana", Choice(verdict="dismiss"), at)
    with shift.database.read() as connection:
        assert lead_figures.in_time(connection, AT - DAY) == Share(1, 2)
    assert (shift.found("in_time"), shift.found("overdue")) == ([on_time], [late])


def test_the_load_of_each_person_in_the_last_day(shift: Shift) -> None:
    with shift.database.write() as connection:
        accounts.change_account(connection, "ben", AT, "ada", disabled=True)
    severe, mild, old = shift.add("a", HOUR), shift.add("b", HOUR, "abuse"), shift.add("c", 2 * DAY)
    held, expired = shift.add("d", HOUR), shift.add("e", HOUR)
    for case, ago in ((severe, 60), (mild, 50), (old, DAY)):
        shift.decide(case, "ana", ago)
    shift.hold(held, "lea")
    shift.hold(expired, "ada", ago=301)
    with shift.database.read() as connection:
        loads = {one.account: one for one in lead_figures.loads(connection, AT)}
    # An auditor decides nothing, and ben is disabled.
    assert list(loads) == ["ada", "ana", "lea"]
    assert [(one.held, one.decided, one.severe, one.over) for one in loads.values()] == [
        (0, 0, 0, False),
        (0, 2, 1, False),
        (1, 0, 0, False),
    ]
    assert shift.found("held") == shift.found("held", account="lea") == [held]
    assert set(shift.found("decided", account="ana")) == {severe, mild}
    assert shift.found("severe", account="ana") == [severe]
    for account in ("lea", "ada"):
        assert shift.found("decided", account=account) == []
    assert shift.found("held", account="ana") == []


def test_an_undone_decision_counts_nowhere(shift: Shift) -> None:
    case = shift.add("a", HOUR)
    shift.decide(case, "ana", 60)
    with shift.database.write() as connection:
        [last] = deciding.last_of(connection, "ana", NOON)
        deciding.undo(connection, last.id, "ana", AT - 55)
        assert lead_figures.forecast(connection, AT).decided == 0
        assert lead_figures.in_time(connection, NOON).n == 0
    decided: tuple[What, ...] = ("decided", "decided_lately", "severe", "in_time", "overdue", "upheld", "dismissed")
    assert [shift.found(what) for what in decided] == [[]] * len(decided)
    assert shift.found("open") == [case]


def test_the_lists_of_confirmed_flags_have_their_cases(shift: Shift) -> None:
    for n, verdict in enumerate(("uphold", "uphold", "dismiss")):
        shift.decide(shift.add(f"v{n}", DAY), "ana", HOUR, verdict)  # type: ignore[arg-type]
    shift.decide(shift.add("h", DAY, "abuse"), "ana", HOUR, "dismiss")
    shift.decide(shift.add("old", 40 * DAY), "ana", WINDOW + 1)
    with shift.database.read() as connection:
        shares = agreement_figures.confirmed(connection, AT - WINDOW)
    assert set(shares) == {"violence", "abuse"}
    for label, share in shares.items():
        assert len(shift.found("upheld", label=label)) == share.hits
        assert len(shift.found("dismissed", label=label)) == share.n - share.hits


def test_the_lists_of_checks_have_their_cases(shift: Shift) -> None:
    agreed, differed, golden = (shift.add(name, DAY) for name in "abc")
    copies = {}
    for case in (agreed, differed, golden):
        shift.decide(case, "ana", HOUR)
    with shift.database.write() as connection:
        quality_checks.mark_golden(connection, golden, "lea", "dismiss", AT - HOUR)
        for case, kind in ((agreed, "second"), (differed, "second"), (golden, "golden")):
            copies[case] = drawing.copy(connection, shift.evidence, kind, case, case, 1.0, AT - 100)  # type: ignore[arg-type]
    for case, verdict in ((agreed, "uphold"), (differed, "dismiss"), (golden, "uphold")):
        shift.decide(copies[case] or "", "ben", 50, verdict)  # type: ignore[arg-type]
    assert (shift.found("agreed"), shift.found("differed")) == ([agreed], [differed])
    assert shift.found("golden") == shift.found("golden_wrong") == [copies[golden]]
    assert shift.found("agreed", account="lea") == []


def test_the_lists_of_audits_have_their_cases(shift: Shift) -> None:
    passed = [flag(f"p{n}", n, n + 1, suggestion="pass", flagged=(), hits=()) for n in range(2)]
    first, second = (one.case for one in shift.store.add(passed, AT - DAY, ["p0", "p1"], 0.1))
    shift.decide(first, "ana", HOUR)
    assert set(shift.found("audits")) == {first, second}
    assert shift.found("missed") == [first]


@pytest.mark.parametrize(("verdict", "hits"), [("dismiss", 1), ("uphold", 0)])
def test_the_list_of_overturned_appeals_has_its_cases(shift: Shift, verdict: Verdict, hits: int) -> None:
    case = shift.add("ann", DAY)
    shift.decide(case, "ana", HOUR)
    with shift.database.write() as connection:
        appeal, _ = appeals.lodge(connection, case, "ann", "no", AT - 900, 10.0)
        assert lead_figures.overturned(connection, AT - WINDOW) == Share(0, 0)
        appeals.settle(connection, appeal.id, "ben", Choice(verdict=verdict), AT - 800, 10.0)
        assert lead_figures.overturned(connection, AT - WINDOW) == Share(hits, 1)
        assert lead_figures.overturned(connection, AT - 799) == Share(0, 0)
    assert shift.found("overturned") == [case] * hits


def test_a_list_has_a_limit_and_begins_with_the_most_urgent_case(shift: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lead_figures, "MOST", 2)
    mild, newer, older = shift.add("a", 100, "abuse"), shift.add("b", 50), shift.add("c", 90)
    assert shift.found("open") == [older, newer]
    assert shift.found("open", label="abuse") == [mild]
