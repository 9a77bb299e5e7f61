"""The rules in force."""

from pathlib import Path

import pytest

from pipeline.assessment.report import rules_in_force
from pipeline.base import canonical_json
from pipeline.base.errors import ConfigError
from pipeline.base.user_files import configs_folder
from pipeline.review.database import Database
from pipeline.settings import JudgeSettings, Settings
from tests.pipeline.assessment.report import stored


def test_policy_and_labels_are_kept_with_text_and_hash(tmp_path: Path) -> None:
    policy = tmp_path / "mine.yaml"
    policy.write_text("name: mine\n")
    settings = Settings(judge=JudgeSettings(policy=str(policy)))
    mine, labels = rules_in_force.in_force(settings)
    assert (mine.name, mine.text, mine.sha256) == (
        "policy.yaml",
        "name: mine\n",
        canonical_json.digest(b"name: mine\n"),
    )
    assert labels.text == (configs_folder() / "labels.yaml").read_text("utf-8")


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read"):
        rules_in_force.in_force(Settings(judge=JudgeSettings(policy="./none.yaml")))


def test_labels_have_names_in_both_languages() -> None:
    names = rules_in_force.label_names(rules_in_force.known_labels(Settings()))
    assert (names["sexual"].zh, names["sexual"].en) == ("色情低俗", "Sexual content")


def test_versions_that_judged_speech_in_the_window(filled: Database) -> None:
    with filled.read() as connection:
        found = rules_in_force.versions(connection, stored.WINDOW, Settings())
    assert (found.policies, found.models, found.recogniser) == (("default@1",), ("baseline",), "Whisper base")
