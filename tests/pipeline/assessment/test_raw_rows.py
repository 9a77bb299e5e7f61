"""Figures of random weeks and windows equal a second computation: plain loops over all rows of the store.

The second computation shares no code with the product. It reads whole tables, and the messages that were counted. A
failure is not made smaller, because each example takes a second.
"""

import math
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, select, update

from pipeline.assessment import measure as measuring
from pipeline.assessment.options import Options
from pipeline.contract.messages import Flag, SpeechStatus
from pipeline.contract.speech_status import status_of
from pipeline.review.database import Database
from pipeline.review.delivery import speech_tallies
from pipeline.review.quality.figure import Figure, Window
from pipeline.review.tables.assessment_tables import ACTIONS
from pipeline.review.tables.core import CASES, DECISIONS
from tests.builders import NOON, flag
from tests.pipeline.assessment import world
from tests.pipeline.review import people

T = TypeVar("T")

HOUR = 3_600.0
MIDNIGHT = NOON - 12 * HOUR
TARGETS = (14_400.0, 3_600.0, 900.0, 300.0)
SETTLED = 2 * HOUR
SEVERITIES = ("low", "medium", "high", "critical")

Key = tuple[str, str, str, str]
"""Indicator, name of the value, dimension and its value. The last two are empty for all speech."""
Row = dict[str, Any]
Message = Flag | SpeechStatus
Wait = tuple[int, bool]
"""Whole seconds, and whether the wait is over."""


@dataclass
class RawStore:
    """All rows, and each message that was counted, with the time of its first delivery."""

    cases: list[Row]
    decisions: list[Row]
    actions: list[Row]
    messages: list[tuple[Message, float]]

    def standing(self, case: Row, until: float) -> list[Row]:
        """The verdicts of a case that count at `until`, the oldest first."""
        kept = [
            row
            for row in self.decisions
            if row["case_id"] == case["id"] and row["at"] < until and row["verdict"] in {"uphold", "dismiss"}
        ]
        return sorted(
            (r for r in kept if r["undone"] is None or r["undone"] >= until), key=lambda r: (r["at"], r["id"])
        )

    def real(self, until: float) -> list[Row]:
        return [case for case in self.cases if not case["drill"] and case["created_at"] < until]


def expected(raw: RawStore, window: Window) -> dict[Key, tuple[float | None, int]]:
    """The value and the number of observations of each figure."""
    found: dict[Key, tuple[float | None, int]] = {}
    for compute in (_coverage, _loss, _detection, _review, _handling, _backlog, _confirmation, _wrong_actions):
        found.update(compute(raw, window))
    return found


Figures = Iterator[tuple[Key, tuple[float | None, int]]]


def _parts(rows: Sequence[T], names: Sequence[str], of: Callable[[T, str], str]) -> Iterator[tuple[str, str, list[T]]]:
    """All rows, and those of each value of each dimension, with both names."""
    yield "", "", list(rows)
    for name in names:
        for value in sorted({of(row, name) for row in rows}):
            yield name, value, [row for row in rows if of(row, name) == value]


def _of_case(case: Row, name: str) -> str:
    return SEVERITIES[case["severity"]] if name == "severity" else str(case[name])


def _of_message(message: Message, name: str) -> str:
    return str(getattr(message, name))


def _spoken(raw: RawStore, window: Window) -> tuple[list[Message], list[Message]]:
    """The utterances that began in the hours of the window, and those of them with a flag. Each counts once."""
    inside = [m for m, _ in raw.messages if not m.drill and window.since <= m.start // HOUR * HOUR < window.until]
    every = {message.utterance: message for message in inside}
    heard = {message.utterance: message for message in inside if isinstance(message, Flag)}
    return [*every.values()], [*heard.values()]


def _seconds(messages: Sequence[Message]) -> float:
    return sum(round(16_000 * each.end) - round(16_000 * each.start) for each in messages) / 16_000


def _coverage(raw: RawStore, window: Window) -> Figures:
    every, heard = _spoken(raw, window)
    for name, value, part in _parts(every, ["room_type"], _of_message):
        monitored = [each for each in heard if not name or _of_message(each, name) == value]
        share = _seconds(monitored) / _seconds(part) if part else None
        yield ("I-02", "share", name, value), (share, len(part))
        yield ("I-02", "speech", name, value), (_seconds(part) if part else None, len(part))


def _loss(raw: RawStore, window: Window) -> Figures:
    every, heard = _spoken(raw, Window(window.since - SETTLED, window.until - SETTLED))
    lost, n = len(every) - len(heard), len(every)
    yield ("I-03", "share", "", ""), (lost / n if n else None, n)
    yield ("I-03", "utterances", "", ""), (lost if n else None, n)


def _detection(raw: RawStore, window: Window) -> Figures:
    flags = {m.id: (m, at) for m, at in reversed(raw.messages) if isinstance(m, Flag) and m.suggestion != "pass"}
    inside = [
        (m, at) for m, at in flags.values() if not m.drill and window.since <= m.start // HOUR * HOUR < window.until
    ]
    for name, value, part in _parts(inside, ["room_type", "language"], lambda each, name: _of_message(each[0], name)):
        for key, share in (("p50", 0.5), ("p95", 0.95)):
            yield ("I-05", key, name, value), (_delay([at - m.end for m, at in part], share), len(part))


def _delay(delays: Sequence[float], share: float) -> float | None:
    """A quantile of the delays, as 95 % of the upper limit of its class."""
    if not delays:
        return None
    exact = sorted(delays)[math.ceil(share * len(delays) - 1e-9) - 1]
    classes = max(0, math.floor(math.log(round(exact, 5) / 300, 0.905) + 1e-6))
    return float(f"{300 * 0.905 ** min(classes, 86):g}") * 0.95


def _wait(begun: float, ended: float | None, until: float) -> Wait:
    """A wait, rounded up if it is over and down if it is open at the end of the window."""
    if ended is None:
        return math.floor(round(until - begun, 6)), False
    return math.ceil(round(ended - begun, 6)), True


def _over_by(waits: Sequence[Wait], seconds: float) -> float:
    """The Kaplan–Meier estimate, straight from its definition."""
    remaining = 1.0
    for at in sorted({long for long, over in waits if over and long <= seconds}):
        remaining *= 1 - sum(long == at and over for long, over in waits) / sum(long >= at for long, _ in waits)
    return 1 - remaining


def _quantile(waits: Sequence[Wait], share: float) -> float | None:
    ends = sorted({long for long, over in waits if over})
    return next((float(end) for end in ends if _over_by(waits, end) >= share - 1e-9), None)


def _observed(waits: Sequence[Wait], target: float) -> bool:
    """Whether a wait was observed for as long as the target, or ended before it."""
    return any(over or long >= target for long, over in waits)


def _review(raw: RawStore, window: Window) -> Figures:
    cases = [c for c in raw.real(window.until) if c["suggestion"] != "pass" and c["created_at"] >= window.since]
    for name, value, part in _parts(cases, ["severity", "label", "language", "room_type"], _of_case):
        waits = {case["id"]: _first(raw, case, window) for case in part}
        every = [*waits.values()]
        for key, share in (("p50", 0.5), ("p95", 0.95)):
            yield ("I-06", key, name, value), (_quantile(every, share), len(part))
        yield ("I-06", "undecided", name, value), (sum(not over for _, over in every) if part else None, len(part))
        by_severity = [[waits[c["id"]] for c in part if c["severity"] == severity] for severity in range(4)]
        known = [(some, t) for some, t in zip(by_severity, TARGETS, strict=True) if some and _observed(some, t)]
        total = sum(len(some) for some, _ in known)
        in_time = sum(len(some) * _over_by(some, target) for some, target in known) / total if total else None
        yield ("I-06", "in_time", name, value), (in_time, len(part))


def _first(raw: RawStore, case: Row, window: Window) -> Wait:
    standing = raw.standing(case, window.until)
    return _wait(case["created_at"], standing[0]["at"] if standing else None, window.until)


def _handling(raw: RawStore, window: Window) -> Figures:
    if not any(row["received_at"] < window.until for row in raw.actions):
        return
    cases = [c for c in raw.real(window.until) if c["suggestion"] != "pass" and c["created_at"] >= window.since]
    waits = []
    for case in cases:
        ordered = [d["id"] for d in raw.standing(case, window.until) if d["verdict"] == "uphold" and d["action"]]
        done = [row["at"] for row in raw.actions if row["decision"] in ordered and row["at"] < window.until]
        waits += [_wait(case["end"], min(done, default=None), window.until)] if ordered else []
    confirmed = sum(over for _, over in waits) / len(waits) if waits else None
    yield ("I-07", "p50", "", ""), (_quantile(waits, 0.5), len(waits))
    yield ("I-07", "confirmed", "", ""), (confirmed, len(waits))


def _backlog(raw: RawStore, window: Window) -> Figures:
    standing = [(case, raw.standing(case, window.until)) for case in raw.real(window.until)]
    first = [(case, verdicts[0] if verdicts else None) for case, verdicts in standing]
    inside = [(case, given) for case, given in first if given is None or given["at"] > window.since]
    for name, value, part in _parts(inside, ["severity"], lambda each, name: _of_case(each[0], name)):
        ages = [window.until - case["created_at"] for case, given in part if given is None]
        yield ("I-08", "open", name, value), (len(ages) if part else None, len(part))
        yield ("I-08", "oldest", name, value), (max(ages, default=None), len(part))


def _confirmation(raw: RawStore, window: Window) -> Figures:
    standing = [(c, raw.standing(c, window.until)) for c in raw.real(window.until) if c["suggestion"] != "pass"]
    decided = [(case, given[-1]) for case, given in standing if given and given[-1]["at"] >= window.since]
    for name, value, part in _parts(decided, ["label", "language"], lambda each, name: _of_case(each[0], name)):
        hits = sum(given["verdict"] == "uphold" for _, given in part)
        yield ("I-09", "share", name, value), (hits / len(part) if part else None, len(part))


def _wrong_actions(raw: RawStore, window: Window) -> Figures:
    n, wrong = 0, 0
    for case in raw.real(window.until):
        standing = raw.standing(case, window.until)
        for one in standing:
            if one["verdict"] == "uphold" and one["action"] and one["at"] >= window.since:
                n += 1
                wrong += standing[-1]["verdict"] == "dismiss" and standing[-1]["at"] > one["at"]
    yield ("I-11", "share", "", ""), (wrong / n if n else None, n)


def _lived(database: Database, rng: random.Random) -> RawStore:
    """Let a random fortnight happen. Some utterances get no flag, and half of the messages arrive again."""
    facts = world.week(rng, 80)
    world.store(database, facts)
    messages: list[tuple[Message, float]] = [(fact.flag, fact.stored) for fact in facts]
    messages += [(status_of(fact.flag, "segmented"), fact.stored + 1) for fact in facts]
    for number in range(20):
        end = rng.uniform(-8, 8) * world.DAY
        lost = flag(f"lost-{number}", end - 3, end, room_type=rng.choice(["game", "kids"]))
        messages.append((status_of(lost, "segmented"), lost.end + 1))
        if rng.random() < 0.4:
            messages.append((status_of(lost, "skipped", "overload"), lost.end + 2))
        elif rng.random() < 0.5:
            messages.append((status_of(lost, "failed", "transcribe"), lost.end + 2))
    with database.write() as connection:
        # Windows then end between a verdict and its undoing, which the store allows for minutes only.
        later = {DECISIONS.c.undone: DECISIONS.c.undone + rng.uniform(0, 2) * world.DAY}
        connection.execute(update(DECISIONS).where(DECISIONS.c.undone.is_not(None)).values(later))
        for message, at in [*messages[len(facts) :], *rng.sample(messages, len(messages) // 2)]:
            speech_tallies.count_batch(connection, [message], at)
    with database.read() as connection:

        def rows(table: Table) -> list[Row]:
            return [dict(row) for row in connection.execute(select(table)).mappings()]

        return RawStore(rows(CASES), rows(DECISIONS), rows(ACTIONS), messages)


def _key(one: Figure) -> Key:
    [(name, value)] = one.split.items() or [("", "")]
    return one.indicator, one.key, name, value


@pytest.mark.full
@settings(max_examples=6, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), begin=st.integers(-48, 96), hours=st.integers(6, 120))
def test_all_figures_equal_a_count_of_the_rows(
    sqlite_model: Path, tmp_path_factory: pytest.TempPathFactory, seed: int, begin: int, hours: int
) -> None:
    file = shutil.copy(sqlite_model, tmp_path_factory.mktemp("rows") / "store.db")
    window = Window(MIDNIGHT + begin * HOUR, MIDNIGHT + (begin + hours) * HOUR)
    with closing(Database(f"sqlite:///{file}")) as database:
        people.hire(database)
        raw = _lived(database, random.Random(seed))  # noqa: S311 - no secret
        # With the narrowest snapshot: older cases are in it only if they went on in the window.
        with database.read() as connection, patch.object(measuring, "BACK", (0.0, 0.0)):
            figures = measuring.measure(connection, window, Options(targets=TARGETS, settled=SETTLED))
    found = {_key(one): one for one in figures}
    for key, (value, n) in expected(raw, window).items():
        assert (key, found[key].n) == (key, n)
        assert (key, found[key].value) == (key, pytest.approx(value) if value is not None else None)
