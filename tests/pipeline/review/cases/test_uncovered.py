"""Cases that nobody can take."""

from pipeline.review.accounts import accounts, skills
from pipeline.review.accounts.skills import Skills
from pipeline.review.cases import groups, uncovered
from pipeline.review.cases.uncovered import Uncovered
from pipeline.review.cases.values import Choice
from pipeline.review.database import Database
from pipeline.review.store import SqlReviewStore
from tests.builders import NOON, flag
from tests.pipeline.review.people import sit_down


def found(database: Database) -> list[Uncovered]:
    with database.read() as connection:
        return uncovered.find(connection, groups.read(connection, NOON), NOON)


def test_cases_in_a_language_that_nobody_here_knows(database: Database) -> None:
    store = SqlReviewStore(database)
    said = [flag(str(n), speaker=str(n), language=("zh", "zh", "en", "fr")[n % 4]) for n in range(8)]
    store.add(said, NOON)
    with database.write() as connection:
        for name in ("ana", "ben", "ada"):
            skills.change_skills(connection, name, Skills(languages=("en",)), "lea", NOON)
        skills.change_skills(connection, "lea", Skills(languages=("zh", "en")), "lea", NOON)
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
        skills.change_skills(connection, "ada", Skills(languages=("en",)), "ada", NOON)  # the last admin stays
    assert found(database) == [Uncovered("zh", True, nobody=1, away=0)]
