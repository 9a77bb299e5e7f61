"""The rules in force."""

from pathlib import Path

import pytest

from pipeline.assessment.report import rules_in_force
from pipeline.base import canonical_json
from pipeline.base.errors import ConfigError
from pipeline.base.user_files import configs_folder
from pipeline.judge.labels import load_labels
from pipeline.judge.lexicon import lexicon_path
from pipeline.review.database import Database
from pipeline.review.policies import versions
from pipeline.settings import JudgeSettings, Settings
from tests.builders import NOON
from tests.pipeline.assessment.report import stored
from tests.pipeline.review.policies.texts import texts


def in_force(database: Database, settings: Settings) -> dict[str, str]:
    """Return the texts by name."""
    with database.read() as connection:
        found = rules_in_force.in_force(connection, settings)
    assert all(each.sha256 == canonical_json.digest(each.text.encode()) for each in found)
    return {each.name: each.text for each in found}


def test_policy_lexicons_and_labels_are_kept_with_text_and_hash(database: Database, tmp_path: Path) -> None:
    policy = tmp_path / "mine.yaml"
    policy.write_text("name: mine\n")
    found = in_force(database, Settings(judge=JudgeSettings(policy=str(policy))))
    assert list(found) == ["policy.yaml", "lexicons/en.yaml", "lexicons/zh.yaml", "labels.yaml"]
    assert found["policy.yaml"] == "name: mine\n"
    assert found["labels.yaml"] == (configs_folder() / "labels.yaml").read_text("utf-8")
    assert found["lexicons/zh.yaml"] == lexicon_path("zh").read_text("utf-8")


def test_published_rules_count_more_than_files(database: Database) -> None:
    published = texts()
    with database.write() as connection:
        versions.publish(connection, published, load_labels(None), "Own", ["lea"], "leo", NOON)
    found = in_force(database, Settings())
    assert list(found) == ["policy.yaml", "lexicons/en.yaml", "labels.yaml"]
    assert (found["policy.yaml"], found["lexicons/en.yaml"]) == (published.policy, published.lexicons[0].text)


@pytest.mark.parametrize("judge", [{"policy": "./none.yaml"}, {"labels": "./none.yaml"}])
def test_a_missing_file_is_an_error(database: Database, judge: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read"):
        in_force(database, Settings.model_validate({"judge": judge}))


def test_labels_have_names_in_both_languages() -> None:
    names = rules_in_force.label_names(rules_in_force.known_labels(Settings()))
    assert (names["sexual"].zh, names["sexual"].en) == ("色情低俗", "Sexual content")


def test_versions_that_judged_speech_in_the_window(filled: Database) -> None:
    with filled.read() as connection:
        found = rules_in_force.versions(connection, stored.WINDOW, Settings())
    assert (found.policies, found.models, found.recogniser) == (("default@1",), ("baseline",), "Whisper base")
