"""Skills: which cases an account may get."""

from typing import Any

import pytest
from sqlalchemy import select

from pipeline.base.errors import AccountError
from pipeline.review import audit_log
from pipeline.review.accounts import skills
from pipeline.review.accounts.skills import Skills
from pipeline.review.cases import reading
from pipeline.review.cases.ranking import Ranking
from pipeline.review.cases.values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import CASES
from tests.builders import NOON, flag


def change(database: Database, name: str, **values: Any) -> Skills:
    with database.write() as connection:
        skills.change_skills(connection, name, Skills(**values), "lea", NOON)
        return skills.skills_of(connection, name)


def test_an_account_without_a_row_may_get_all_but_escalated_cases(database: Database) -> None:
    with database.read() as connection:
        found = skills.all_skills(connection)
        outside = skills.skills_of(connection, "cli")
    assert found == {
        "ada": Skills(escalated=True),
        "ana": Skills(),
        "ben": Skills(),
        "lea": Skills(escalated=True),
    }
    assert outside == skills.EVERY


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
        skills.change_skills(connection, "eve", Skills(), "lea", NOON)


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
