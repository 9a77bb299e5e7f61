"""The validation set has lines that training does not use, as many harmless ones as risky ones."""

from pathlib import Path
from shlex import quote

import pytest

from benchmarks.judging.cases import transcribed
from pipeline.learning.rows import RISK, part_of
from tests.training.classifier import tiny
from training.classifier.sets import authored
from training.speech import transcribed as speech
from training.speech import validation

CLIP = Path(__file__).parents[2] / "data" / "auth-incorrect.flac"


@pytest.fixture(autouse=True)
def few_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(authored, "EXAMPLES", tiny.examples(tmp_path / "few"))


def test_half_of_the_lines_are_risky_and_none_is_trained_on() -> None:
    found = validation.lines("en", 3)
    rows = {row.text: row for row in authored.spoken(Path())}
    assert [rows[line.text].labels[RISK] for line in found].count(1.0) == 3 == len(found) / 2
    assert {part_of(rows[line.text]) for line in found} == {"validation"}
    assert {line.voice for line in found} <= {*validation.FLITE}


@pytest.mark.weights
def test_the_judges_benchmark_reads_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "SURROUNDINGS", {"quiet": 1})
    voices = f"cut -f1 | xargs -n1 cp {quote(str(CLIP))}"
    given = ["--language", "en", "--audio", str(tmp_path / "audio"), "--lines", "1", "--voices", voices]
    validation.make(validation.arguments([*given, "--out", str(tmp_path / "out")]))
    pairs = [*transcribed(tmp_path / "out")]
    assert [pair.read.text for pair in pairs] == [line.text for line in validation.lines("en", 1)]
    assert all("incorrect" in pair.transcribed.text.lower() for pair in pairs)
