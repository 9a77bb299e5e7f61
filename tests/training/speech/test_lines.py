"""The sets have the lines that their use allows."""

from pathlib import Path

import pytest

from pipeline.learning.training_rows import RISK, part_of
from tests.training.classifier import tiny
from training.classifier.sets import authored
from training.speech import lines
from training.speech.recordings import FLITE, VOICES


@pytest.fixture(autouse=True)
def few_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(authored, "EXAMPLES", tiny.examples(tmp_path / "few"))


def test_each_trained_line_has_its_own_pattern() -> None:
    found = lines.trained()
    assert len({line.label for line in found}) == len(found)
    assert {line.language for line in found} == set(VOICES)


def test_half_of_the_validating_lines_are_risky_and_no_model_was_trained_on_them() -> None:
    rows = {row.text: row for row in authored.spoken(Path())}
    found = lines.validating(3)
    for language in VOICES:
        ours = [rows[line.text] for line in found if line.language == language]
        assert [row.labels[RISK] for row in ours].count(1.0) == 3 == len(ours) / 2
        assert {part_of(row) for row in ours} == {"validation"}
    assert {line.voice for line in found if line.language == "en"} <= {*FLITE}
