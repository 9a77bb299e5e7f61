"""Separation of duty: who may not act in a case."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.base.errors import AccountError, Involved
from pipeline.contract.messages import Verdict
from pipeline.review import audit_log
from pipeline.review.accounts import accounts
from pipeline.review.cases import deciding, eligibility, reading, user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import WHOLE_ROOM, Choice
from pipeline.review.cases.eligibility import Skills, Uncovered
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import drawing
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import CASES
from tests.builders import NOON, flag
from tests.pipeline.review.people import sit_down


@pytest.fixture
def evidence(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence")


def stored(database: Database, name: str = "a", speaker: str = "ann") -> str:
    return SqlReviewStore(database).add([flag(name, 0, 5, speaker=speaker)], NOON)[0].case


def reported(database: Database, reporter: str, speaker: str = "ann") -> str:
    with database.write() as connection:
        complaint = Complaint(room="room", speaker=speaker, reporter=reporter, at=NOON)
        return user_reports.file(connection, complaint, NOON, Ranking({}), 60.0)[0].case


def decide(database: Database, case: str, who: str, verdict: Verdict, at: float = NOON) -> str:
    with database.write() as connection:
        return deciding.decide(connection, case, who, Choice(verdict=verdict), at).id


def undo(database: Database, decision: str, who: str) -> None:
    with database.write() as connection:
        deciding.undo(connection, decision, who, NOON + 1)


def refused(database: Database, case: str, check: str) -> set[str]:
    """Return the accounts for which `check` raises Involved."""
    with database.read() as connection:
        found, involved = reading.case(connection, case), set()
        for one in accounts.all_accounts(connection):
            try:
                getattr(eligibility, check)(connection, found, one.name)
            except Involved:
                involved.add(one.name)
    return involved


def test_the_speaker_is_a_party_and_nobody_else(database: Database) -> None:
    assert refused(database, stored(database, speaker="ben"), "check_party") == {"ben"}
    assert refused(database, stored(database, "b", speaker="Ben"), "check_party") == set()


def test_every_reporter_is_a_party(database: Database) -> None:
    case = reported(database, "ana")
    assert reported(database, "lea") == case
    assert refused(database, case, "check_party") == {"ana", "lea"}
    assert refused(database, reported(database, "ana", speaker="x"), "check_party") == {"ana"}


def test_a_whole_room_and_a_reporter_without_a_name_are_no_persons(database: Database) -> None:
    assert refused(database, reported(database, "", speaker=WHOLE_ROOM), "check_party") == set()


def test_a_person_is_known_by_the_subject_at_the_identity_provider(database: Database) -> None:
    with database.write() as connection:
        for name, subject in (("zoe", "https://id.example user 7"), ("max", "https://id.example 8")):
            accounts.add_account(connection, name, "moderator", NOON, "test", oidc_subject=subject)
    # A subject may contain spaces.
    assert refused(database, stored(database, "a", speaker="user 7"), "check_party") == {"zoe"}
    assert refused(database, stored(database, "b", speaker="zoe"), "check_party") == {"zoe"}
    assert refused(database, stored(database, "c", speaker="8"), "check_party") == {"max"}
    assert refused(database, stored(database, "d", speaker="https://id.example"), "check_party") == set()
    assert refused(database, reported(database, "user 7"), "check_party") == {"zoe"}


def test_who_may_decide_an_escalated_case(database: Database) -> None:
    case, other = stored(database), stored(database, "b", speaker="bob")
    assert refused(database, case, "check_escalated") == set()
    escalation = decide(database, case, "lea", "escalate")
    assert refused(database, case, "check_escalated") == {"ana", "ben", "lea", "aud"}
    assert refused(database, other, "check_escalated") == set()
    undo(database, escalation, "lea")
    assert refused(database, case, "check_escalated") == set()


def test_all_who_escalated_are_left_out_of_the_queue_until_it_is_decided(database: Database) -> None:
    def theirs(account: str) -> list[str]:
        with database.read() as connection:
            return list(connection.scalars(select(CASES.c.id).where(eligibility.escalated_by(account))))

    case, _ = stored(database), stored(database, "b", speaker="bob")
    decide(database, case, "ana", "escalate")
    decide(database, case, "lea", "escalate", NOON + 1)
    assert [theirs(name) for name in ("ana", "lea", "ada")] == [[case], [case], []]
    decide(database, case, "ada", "uphold", NOON + 2)
    assert theirs("ana") == []


def test_a_case_outside_the_skills_of_an_account(database: Database) -> None:
    case = stored(database)
    with database.write() as connection:
        eligibility.change_skills(connection, "ana", Skills(languages=("en",)), "lea", NOON)
        eligibility.change_skills(connection, "ben", Skills(languages=("zh",)), "lea", NOON)
    assert refused(database, case, "check_skills") == {"ana"}


def test_nobody_reviews_a_case_that_they_took_part_in(database: Database, evidence: EvidenceFolder) -> None:
    case = stored(database, speaker="aud")
    undo(database, decide(database, case, "ben", "uphold"), "ben")
    decide(database, case, "ana", "dismiss", NOON + 2)
    with database.write() as connection:
        copy = drawing.copy(connection, evidence, "second", case, "any", 1.0, NOON + 60)
    assert copy is not None
    decide(database, copy, "lea", "uphold", NOON + 61)
    # The speaker, an undone decision, the decision itself and a second opinion.
    assert (
        refused(database, case, "check_fresh") == refused(database, copy, "check_fresh") == {"aud", "ben", "ana", "lea"}
    )
    with database.read() as connection:
        assert eligibility.deciders(connection, case) == eligibility.deciders(connection, copy) == {"ana", "ben", "lea"}


def test_the_error_names_the_person_and_the_case(database: Database) -> None:
    identity = stored(database, speaker="ben")
    with database.read() as connection:
        case = reading.case(connection, identity)
        with pytest.raises(Involved, match=f"ben is the speaker or a reporter of case {case.id}"):
            eligibility.check_party(connection, case, "ben")


def found(database: Database) -> list[Uncovered]:
    with database.read() as connection:
        return eligibility.find_uncovered(connection, reading.open_groups(connection, NOON), NOON)


def test_cases_in_a_language_that_nobody_here_knows(database: Database) -> None:
    store = SqlReviewStore(database)
    said = [flag(str(n), speaker=str(n), language=("zh", "zh", "en", "fr")[n % 4]) for n in range(8)]
    store.add(said, NOON)
    with database.write() as connection:
        for name in ("ana", "ben", "ada"):
            eligibility.change_skills(connection, name, Skills(languages=("en",)), "lea", NOON)
        eligibility.change_skills(connection, "lea", Skills(languages=("zh", "en")), "lea", NOON)
    assert found(database) == [
        Uncovered("fr", False, nobody=2, away=0),
        Uncovered("zh", False, nobody=0, away=4),
        Uncovered("en", False, nobody=0, away=2),
    ]
    sit_down(database, "ana")
    assert found(database)[1:] == [Uncovered("zh", False, nobody=0, away=4)]
    sit_down(database, "lea")
    assert found(database) == [Uncovered("fr", False, nobody=2, away=0)]


def test_escalated_cases_without_a_senior_person(database: Database) -> None:
    store = SqlReviewStore(database)
    [one] = store.add([flag("a")], NOON)
    store.decide(one.case, "ana", Choice(verdict="escalate"), NOON)
    sit_down(database, "ana", "ben")
    assert found(database) == [Uncovered("zh", True, nobody=0, away=1)]
    with database.write() as connection:
        accounts.change_account(connection, "lea", NOON, "test", disabled=True)
        eligibility.change_skills(connection, "ada", Skills(languages=("en",)), "ada", NOON)  # the last admin stays
    assert found(database) == [Uncovered("zh", True, nobody=1, away=0)]


def change(database: Database, name: str, **values: Any) -> Skills:
    with database.write() as connection:
        eligibility.change_skills(connection, name, Skills(**values), "lea", NOON)
        return eligibility.skills_of(connection, name)


def test_an_account_without_a_row_may_get_all_but_escalated_cases(database: Database) -> None:
    with database.read() as connection:
        found = eligibility.all_skills(connection)
        outside = eligibility.skills_of(connection, "cli")
    assert found == {
        "ada": Skills(escalated=True),
        "ana": Skills(),
        "ben": Skills(),
        "lea": Skills(escalated=True),
    }
    assert outside == eligibility.EVERY


def test_leads_keep_the_right_to_decide_escalated_cases(database: Database) -> None:
    assert change(database, "lea", languages=("zh",)) == Skills(languages=("zh",), escalated=True)
    assert change(database, "ana", escalated=True, severity=1) == Skills(escalated=True, severity=1)
    assert change(database, "ana") == Skills()


def test_a_change_stands_in_the_audit_log(database: Database) -> None:
    change(database, "ana", languages=("zh",), labels=("fraud",))
    with database.read() as connection:
        [line] = audit_log.newest_lines(connection, subject="ana", limit=1)
    assert (line.action, line.actor) == ("account.skills", "lea")
    assert line.detail == '{"escalated":false,"labels":["fraud"],"languages":["zh"],"severity":3}'


def test_an_unknown_account_has_no_skills(database: Database) -> None:
    with database.write() as connection, pytest.raises(AccountError, match="There is no account eve"):
        eligibility.change_skills(connection, "eve", Skills(), "lea", NOON)


@pytest.mark.parametrize(
    ("has", "gets"),
    [
        (Skills(), {"zh fraud", "en fraud", "en abuse", "room"}),
        (Skills(escalated=True), {"zh fraud", "en fraud", "en abuse", "room", "escalated"}),
        (Skills(languages=("en",)), {"en fraud", "en abuse", "room"}),
        (Skills(languages=("en", "zh"), labels=("abuse",)), {"en abuse", "room"}),
        (Skills(severity=1), {"en abuse", "room"}),
        (Skills(languages=("fr",), escalated=True), {"room"}),
    ],
)
def test_sql_and_python_agree(database: Database, has: Skills, gets: set[str]) -> None:
    store = SqlReviewStore(database, ranking=Ranking({"fraud": 2, "abuse": 1, "": 1}))
    said = {
        "zh fraud": ("zh", ("fraud",)),
        "en fraud": ("en", ("fraud",)),
        "en abuse": ("en", ("abuse",)),
        "escalated": ("en", ("abuse",)),
        "room": ("", ()),
    }
    flags = [
        flag(name, speaker=name, language=language, flagged=labels, hits=())
        for name, (language, labels) in said.items()
    ]
    cases = {flag.speaker: outcome.case for flag, outcome in zip(flags, store.add(flags, NOON), strict=True)}
    store.decide(cases["escalated"], "ana", Choice(verdict="escalate"), NOON)
    with database.read() as connection:
        found = set(connection.scalars(select(CASES.c.speaker).where(*has.conditions())))
        fit = {name for name, case in cases.items() if has.fit(reading.case(connection, case))}
    assert found == fit == gets
