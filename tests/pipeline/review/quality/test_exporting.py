"""Exported training data: the text and its known labels, and nothing else."""

from pathlib import Path

import msgspec

from pipeline.contract.messages import Verdict
from pipeline.review.cases import deciding, reading
from pipeline.review.cases.values import Choice
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import drawing, exporting, quality_checks
from pipeline.review.quality.drawing import Shares
from pipeline.review.quality.exporting import Example
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag


def case(database: Database, name: str, **changes: object) -> str:
    start = 100.0 * ord(name)
    return SqlReviewStore(database).add([flag(name, start, start + 5, **changes)], NOON)[0].case


def decide(database: Database, one: str, verdict: Verdict, who: str = "ana", at: float = NOON, **choice: str) -> None:
    with database.write() as connection:
        deciding.decide(connection, one, who, Choice(verdict=verdict, **choice), at)  # type: ignore[arg-type]


def exported(database: Database, since: float = 0.0) -> dict[str, Example]:
    with database.read() as connection:
        return {one.text: one for one in exporting.examples(connection, since)}


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
