"""Decided cases as training data, and the speech before each, without what is gone or no real speech."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from pipeline.contract.messages import Flag, Verdict
from pipeline.learning import decided_cases
from pipeline.learning.decided_cases import DecidedUtterance, Example
from pipeline.review.cases import deciding, reading
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import holds, retention_job
from pipeline.review.quality import drawing, quality_checks
from pipeline.review.quality.drawing import Shares
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import CASES
from pipeline.settings import Retention
from tests.builders import NOON, flag


def said(text: str, start: float, speaker: str = "ann", **changes: Any) -> Flag:
    """An audit, unless `changes` flag it."""
    quiet: dict[str, Any] = {"suggestion": "pass", "flagged": (), "labels": {}, "hits": (), "reasons": ()}
    return flag(text, start, start + 1, text=text, language="en", speaker=speaker, **quiet | changes)


def flagged(text: str, start: float, speaker: str = "ann", **changes: Any) -> Flag:
    return said(text, start, speaker, **{"suggestion": "review", "flagged": ("abuse",), **changes})


def store(database: Database, speech: Sequence[Flag]) -> None:
    """Store all of it, passed speech as audits, and decide it."""
    outcomes = SqlReviewStore(database).add(speech, NOON + 60, {each.id for each in speech}, 1.0)
    with database.write() as connection:
        for case in dict.fromkeys(outcome.case for outcome in outcomes):
            deciding.decide(connection, case, "ana", Choice(verdict="uphold", label="abuse"), NOON + 61)


def read(database: Database) -> dict[str, DecidedUtterance]:
    """The speech before each decided case, by the case's text."""
    with database.read() as connection:
        return {
            one.flag.text: one
            for one in decided_cases.read_speech_before(
                connection, decided_cases.decided_since(connection, 0.0)
            ).values()
        }


def words(heard: DecidedUtterance) -> tuple[list[str], list[str]]:
    return [one.text for one in heard.before.own], [one.text for one in heard.before.others]


def test_stored_speech_runs_through_the_judges_memory(database: Database) -> None:
    store(
        database,
        [
            said("too long ago", 0),
            said("I will find you", 25),
            flagged("and then", 40),
            said("say that again", 31, "bob"),
            said("elsewhere", 38, "bob", room="other"),
            said("invented", 39, "cem", marks=("repetition",)),
        ],
    )
    heard = read(database)
    assert words(heard["and then"]) == (["I will find you"], ["say that again"])
    assert heard["and then"].judged is heard["and then"].before
    assert words(heard["say that again"]) == ([], ["I will find you"])
    assert words(heard["too long ago"]) == words(heard["elsewhere"]) == ([], [])


def test_the_judge_reads_words_alone_that_follow_a_flag(database: Database) -> None:
    store(database, [flagged("the first", 0), flagged("the second", 5), flagged("bob's", 8, "bob")])
    heard = read(database)
    assert words(heard["the second"]) == (["the first"], [])
    assert heard["the second"].judged is decided_cases.NOTHING
    assert words(heard["bob's"]) == ([], ["the first", "the second"])
    assert heard["bob's"].judged is heard["bob's"].before


def test_the_worst_flag_of_a_case_stands_for_it(database: Database) -> None:
    """Flags that touch are one case."""
    store(database, [flagged("mild", 0, risk=0.6), flagged("worst", 1, risk=0.9), flagged("after", 2, risk=0.7)])
    heard = read(database)
    assert list(heard) == ["worst"]
    assert words(heard["worst"]) == (["mild"], [])


def test_drills_and_copies_are_no_speech_before_a_case(database: Database, tmp_path: Path) -> None:
    store(database, [flagged("drilled", 0, "bob", drill="d"), flagged("real", 2, "bob"), flagged("answer", 5)])
    with database.write() as connection:
        original = connection.scalars(select(CASES.c.id).where(CASES.c.text == "real")).one()
        drawing.copy(connection, EvidenceFolder(tmp_path), "second", original, "cause", 1.0, NOON + 62)
    assert words(read(database)["answer"]) == ([], ["real"])


@pytest.mark.parametrize("hold", [False, True])
def test_what_retention_deletes_teaches_nothing(database: Database, tmp_path: Path, hold: bool) -> None:
    """A legal hold keeps a case in the store, and then it still teaches."""
    store(database, [flagged("expired", 0, "bob"), flagged("kept", 5, flagged=("hate",))])
    assert words(read(database)["kept"]) == ([], ["expired"])
    if hold:
        with database.write() as connection:
            case = connection.scalars(select(CASES.c.id).where(CASES.c.text == "expired")).one()
            holds.place_hold(connection, "case", case, "a request", "ana", NOON)
    rules = Retention.model_validate({"labels": {"abuse": {"upheld": {"audio_days": 1, "case_days": 1}}}})
    with database.read() as connection:
        over = retention_job.due(connection, rules, NOON + 5 * retention_job.DAY)
        cases = [each for each in decided_cases.decided_since(connection, 0.0) if each.example.group not in over]
        left = {one.flag.text: words(one) for one in decided_cases.read_speech_before(connection, cases, over).values()}
    retention_job.run_retention(database, EvidenceFolder(tmp_path), rules, NOON + 5 * retention_job.DAY)
    heard = read(database)
    assert left == {text: words(one) for text, one in heard.items()}, "the same before and after the job has run"
    assert set(heard) == ({"expired", "kept"} if hold else {"kept"})
    assert words(heard["kept"]) == ([], ["expired"] if hold else [])


def case(database: Database, name: str, **changes: object) -> str:
    start = 100.0 * ord(name)
    return SqlReviewStore(database).add([flag(name, start, start + 5, **changes)], NOON)[0].case


def decide(database: Database, one: str, verdict: Verdict, who: str = "ana", at: float = NOON, **choice: str) -> None:
    with database.write() as connection:
        deciding.decide(connection, one, who, Choice(verdict=verdict, **choice), at)  # type: ignore[arg-type]


def exported(database: Database, since: float = 0.0) -> dict[str, Example]:
    with database.read() as connection:
        return {one.text: one for one in decided_cases.examples(connection, since)}


def test_labels_contain_only_known_values(database: Database) -> None:
    decide(database, case(database, "a"), "uphold")
    decide(database, case(database, "b"), "dismiss", reason="joke")
    decide(database, case(database, "c"), "uphold", label="hate", reason="wrong_label")
    decide(database, case(database, "d"), "dismiss", reason="misheard")
    decide(database, case(database, "e"), "escalate")
    decide(database, case(database, "f"), "dismiss", reason="wrong_label")
    decide(database, case(database, "g"), "uphold", reason="wrong_label")
    found = exported(database)
    assert {text[-1]: dict(one.labels) for text, one in found.items()} == {
        "a": {"violence": 1.0, "risk": 1.0},
        "b": {"violence": 0.0, "risk": 0.0},
        "c": {"violence": 0.0, "hate": 1.0, "risk": 1.0},
        # It breaks the rules, but how is not known.
        "f": {"violence": 0.0, "risk": 1.0},
        "g": {"violence": 0.0, "risk": 1.0},
    }
    assert found["弄死你 b"].reason == "joke"


def test_examples_contain_no_names_and_no_audio(database: Database) -> None:
    decide(
        database, case(database, "a", room="the room", speaker="the speaker", address="log/7"), "uphold", note="a note"
    )
    [one] = exported(database).values()
    written = msgspec.json.encode(one).decode()
    for secret in ("the room", "the speaker", "ana", "a note", "log/7", "ogg"):
        assert secret not in written


def test_only_cases_decided_since_a_time(database: Database) -> None:
    decide(database, case(database, "a"), "uphold", at=NOON)
    decide(database, case(database, "b"), "uphold", at=NOON + 100)
    assert [text[-1] for text in exported(database, NOON + 50)] == ["b"]


def test_a_disputed_case_is_left_out_until_a_third_opinion(database: Database, tmp_path: Path) -> None:
    original = case(database, "a")
    decide(database, original, "uphold")
    assert exported(database)["弄死你 a"].opinions == 1

    def draw(at: float) -> str:
        with database.write() as connection:
            [made] = drawing.draw(connection, EvidenceFolder(tmp_path), at, Shares(1.0, 0.0), 10)
        return made

    decide(database, draw(NOON + 20), "dismiss", "ben", NOON + 30)
    assert exported(database) == {}
    decide(database, draw(NOON + 50), "dismiss", "lea", NOON + 60)
    [one] = exported(database).values()
    assert (one.labels["risk"], one.opinions, one.group) == (0.0, 3, original)


def test_audits_have_a_probability_and_a_golden_verdict_comes_first(database: Database) -> None:
    passed = flag("p", 0, 5, suggestion="pass", flagged=(), hits=())
    [audit] = SqlReviewStore(database).add([passed], NOON, [passed.id], 0.01)
    decide(database, audit.case, "uphold", label="abuse")
    golden = case(database, "g")
    decide(database, golden, "uphold")
    with database.write() as connection:
        quality_checks.mark_golden(connection, golden, "lea", "dismiss", NOON)
        assert reading.case(connection, golden).verdict == "uphold"
    found = exported(database)
    assert (found["弄死你 p"].labels, found["弄死你 p"].probability) == ({"abuse": 1.0, "risk": 1.0}, 0.01)
    assert (found["弄死你 g"].golden, found["弄死你 g"].labels["risk"]) == (True, 0.0)
    assert found["弄死你 g"].probability is None
