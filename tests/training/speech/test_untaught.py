"""The command transcribes only lines that the adapter was not trained on."""

from pathlib import Path
from shlex import quote

import pytest

from pipeline.base.errors import ConfigError
from tests.training.classifier import tiny
from training.adapter import lessons as adapter
from training.classifier.noise import round_trips
from training.classifier.sets import authored
from training.speech import untaught
from training.speech.transcribed import VOICES

CLIP = Path(__file__).parents[2] / "data" / "auth-incorrect.flac"


@pytest.fixture(autouse=True)
def ours_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(adapter, "SETS", ("authored",))  # the other sets are outside the repository
    monkeypatch.setattr(authored, "EXAMPLES", tiny.examples(tmp_path / "few"))


def options(tmp_path: Path, *more: str) -> list[str]:
    return ["--data", str(tmp_path), "--audio", str(tmp_path / "audio"), "--out", str(tmp_path / "zh.tsv"), *more]


@pytest.mark.weights
def test_only_lines_that_were_not_taught_are_transcribed(tmp_path: Path) -> None:
    voices = f"cut -f1 | xargs -n1 cp {quote(str(CLIP))}"
    untaught.make(untaught.arguments(options(tmp_path, "--after", "7", "--lines", "3", "--voices", voices)))
    wanted = adapter.lines(tmp_path, 10)[7:]
    assert [line.text for line in wanted] == [*round_trips(tmp_path)]
    assert {path.stem for path in (tmp_path / "audio").glob("*.flac")} == {line.id for line in wanted}
    assert all({*line.voice.split("+")} < {*VOICES["zh"].split()} for line in wanted)


def test_a_start_after_the_last_line_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--after 10000000"):
        untaught.make(untaught.arguments(options(tmp_path, "--after", "10000000")))
