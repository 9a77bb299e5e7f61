"""A hub model is only accepted with a commit, because the files under a name can change."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForSequenceClassification

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.judge import hub, transformer
from pipeline.learning import encoder

COMMIT = "0123456789abcdef" * 2 + "01234567"


@pytest.mark.parametrize("source", ["owner/name", "owner/name@main", "owner/name@0123abc"])
def test_an_id_without_a_commit_is_refused_before_a_download(source: str) -> None:
    for load in (transformer.load_transformer, encoder.load):
        with pytest.raises(ConfigError, match=r"Write owner/name@COMMIT"):
            load(source)


def test_the_commit_is_the_one_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fetch(place: str, **options: Any) -> None:
        asked.append((place, options["revision"]))
        raise OSError("out of reach")

    monkeypatch.setattr(AutoModelForSequenceClassification, "from_pretrained", fetch)
    with pytest.raises(DependencyError, match="out of reach"):
        transformer.load_transformer(f"owner/name@{COMMIT}")
    assert asked == [("owner/name", COMMIT)]


def test_a_folder_needs_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not hub.is_id("owner/name")
    assert hub.is_id(f"owner/name@{COMMIT}")
    assert not hub.is_id("/nowhere/at/all")
