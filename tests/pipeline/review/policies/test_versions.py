"""Published versions never change. Roll-backs and shadow policies make new releases."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pipeline.base.errors import CaseError, Missing
from pipeline.judge.labels import load_labels
from pipeline.judge.policy_release import MAX_SHADOWS, JudgeReport, ShadowCount
from pipeline.judge.rule_texts import RuleTexts, read_texts
from pipeline.review import audit_log
from pipeline.review.database import Database
from pipeline.review.policies import judge_rules, versions
from pipeline.review.policies.versions import PublishedPolicy
from pipeline.settings import Settings
from tests.builders import NOON
from tests.pipeline.review.policies.texts import texts

LABELS = load_labels()


def publish(database: Database, these: RuleTexts, at: float = NOON) -> PublishedPolicy:
    with database.write() as connection:
        return versions.publish(connection, these, LABELS, "A title", ["lea"], "ada", at)


def test_without_a_version_the_files_count(database: Database) -> None:
    settings = Settings()
    with database.read() as connection:
        assert versions.newest_release(connection) is None
        found = versions.texts_now(connection, settings)
    assert found == read_texts("default", ("en", "zh"))
    assert [each.name for each in found.lexicons] == ["en", "zh"]
    assert "name: default" in found.policy
    publish(database, texts())
    with database.read() as connection:
        assert versions.texts_now(connection, settings) == texts()


def test_a_roll_back_is_a_new_version_with_the_old_texts(database: Database) -> None:
    first, second = publish(database, texts("one fish")), publish(database, texts("two fish"), NOON + 1)
    with database.write() as connection:
        third = versions.roll_back(connection, first, LABELS, "Back to 1", "lea", NOON + 2)
    assert (third.number, third.back_to, third.texts, third.sha256) == (3, 1, first.texts, first.sha256)
    assert second.number == 2
    with database.read() as connection:
        assert [each.number for each in versions.list_versions(connection)] == [3, 2, 1]
        [line] = [line for line in audit_log.all_lines(connection) if line.action == "policy.rollback"]
        assert versions.released_at(connection, 3) == (3, NOON + 2)
    assert (line.actor, line.subject) == ("lea", "3")
    assert '"back_to":1' in line.detail
    with pytest.raises(CaseError, match="version 1 are live already"), database.write() as connection:
        versions.roll_back(connection, first, LABELS, "Again", "lea", NOON + 3)


def test_the_first_version_is_rolled_back_to_the_files(database: Database) -> None:
    files = versions.from_files(Settings(), LABELS)
    with pytest.raises(CaseError, match="version 0 are live already"), database.write() as connection:
        versions.roll_back(connection, files, LABELS, "Nothing is published", "lea", NOON)
    publish(database, texts())
    with database.write() as connection:
        back = versions.roll_back(connection, files, LABELS, "Back", "lea", NOON + 1)
    assert (back.version, back.back_to, back.texts) == ("default@2", 0, read_texts("default", ("en", "zh")))


def test_shadow_policies_start_and_end(database: Database) -> None:
    publish(database, texts())
    with database.write() as connection:
        for number in range(MAX_SHADOWS):
            versions.start_shadow(connection, f"draft-{number}", texts("one fish"), LABELS, "lea", NOON + number)
        with pytest.raises(CaseError, match="shadow policies already"):
            versions.start_shadow(connection, "draft-9", texts(), LABELS, "lea", NOON)
        with pytest.raises(CaseError, match="runs already"):
            versions.start_shadow(connection, "draft-0", texts(), LABELS, "lea", NOON)
        versions.end_shadow(connection, "draft-1", "ada", NOON + 9)
        with pytest.raises(Missing):
            versions.end_shadow(connection, "draft-1", "ada", NOON + 9)
    with database.read() as connection:
        release = versions.newest_release(connection)
        actions = [line.action for line in audit_log.all_lines(connection) if line.action.startswith("policy.")]
    assert release is not None
    assert [each.mark for each in release.shadows] == ["draft-0"]
    assert release.live is not None
    assert (release.edition, release.live.mark) == (2 + MAX_SHADOWS, "1")
    assert actions == ["policy.shadow", "policy.shadow", "policy.unshadow"]


def reported(worker: str, since: float, judged: int, mark: str = "draft-1") -> JudgeReport:
    count = ShadowCount(mark, since, judged, judged // 10, judged // 5)
    return JudgeReport(worker, 1, "mine@1", NOON, since + judged, shadows=(count,))


def test_a_shadow_has_the_counts_of_all_judges_until_it_ends(database: Database) -> None:
    with database.write() as connection:
        versions.start_shadow(connection, "draft-1", texts(), LABELS, "lea", NOON)
        for report in (
            reported("one", NOON, 10),
            reported("one", NOON, 30),
            reported("one", NOON, 20),
            reported("two", NOON, 50),
            reported("one", NOON + 60, 100),
            reported("two", NOON, 70, "draft-9"),
        ):
            judge_rules.store_judge_report(connection, report)
        [running] = versions.shadows(connection)
        assert (running.judged, running.flagged, running.differ) == (180, 18, 36), "a judge that began again counts on"
        versions.end_shadow(connection, "draft-1", "lea", NOON)
        versions.start_shadow(connection, "draft-1", texts(), LABELS, "lea", NOON)
        [again] = versions.shadows(connection)
        [line] = [line for line in audit_log.all_lines(connection) if line.action == "policy.unshadow"]
    assert again.judged == 0
    assert '"judged":180' in line.detail


REPLACE = {
    "sqlite": "INSERT OR REPLACE INTO policy_versions SELECT * FROM policy_versions",
    "postgresql": "INSERT INTO policy_versions SELECT * FROM policy_versions "
    "ON CONFLICT (number) DO UPDATE SET title = excluded.title",
}
"""The statement of each database that writes a row in the place of another."""


@pytest.mark.parametrize("change", ["UPDATE policy_versions SET title = 'x'", "DELETE FROM policy_versions", "replace"])
def test_the_database_refuses_a_change_of_a_version(database: Database, change: str) -> None:
    publish(database, texts())
    if change == "replace":
        change = REPLACE[database.url.get_backend_name()]
    with pytest.raises(DBAPIError, match="a published policy is never changed"), database.write() as connection:
        connection.execute(text(change))
