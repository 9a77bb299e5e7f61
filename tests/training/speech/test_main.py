"""`python -m training.speech` speaks and transcribes a set, and its readers understand the files."""

from pathlib import Path
from shlex import quote

import pytest

from benchmarks.judging.cases import transcribed
from pipeline.base.errors import ConfigError
from pipeline.contract.messages import Alternative, Transcript, Utterance
from tests.training.classifier import tiny
from training.adapter import clips
from training.classifier.noise import Mishearing, Noise, round_trips
from training.classifier.sets import authored
from training.speech import __main__ as command
from training.speech import lines
from training.speech.surroundings import furnish

CLIP = Path(__file__).parents[2] / "data" / "auth-incorrect.flac"
VOICE = f"cut -f1 | xargs -n1 cp {quote(str(CLIP))}"


@pytest.fixture(autouse=True)
def few_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clips, "SETS", ("authored",))  # the other sets are outside the repository
    monkeypatch.setattr(authored, "EXAMPLES", tiny.examples(tmp_path / "few"))


class Mishearer:
    """Writes the same text and another reading for each utterance."""

    def process(self, utterances: list[Utterance]) -> list[Transcript]:
        return [
            Transcript(
                room=each.room,
                speaker=each.speaker,
                start=each.start,
                end=each.end,
                id=each.id,
                utterance=each.id,
                text="他们来了",
                language="zh",
                model="fake",
                confidence=0.5,
                alternatives=(Alternative("她们来了", -0.5),),
            )
            for each in utterances
        ]


def make(tmp_path: Path, *given: str) -> Path:
    folders = ["--audio", str(tmp_path / "audio"), "--out", str(tmp_path / "out")]
    command.make(command.arguments([*given, *folders, "--voices", VOICE]))
    return tmp_path / "out"


def test_only_lines_that_the_adapter_was_not_taught_are_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "listener", lambda language: Mishearer())
    out = make(tmp_path, "untaught", "--data", str(tmp_path), "--after", "7", "--lines", "3")
    wanted = clips.lines(tmp_path, 10)[7:]
    assert (out / "zh.adapter.tsv").is_file()
    found = round_trips(out)
    assert [*found] == [line.text for line in wanted]
    always = Noise(misheard=1, bare=0, real=1)
    heard = {Mishearing([], always, seed, found)(wanted[0].text) for seed in range(20)}
    assert heard == {"他们来了", "她们来了"}


@pytest.mark.weights
@pytest.mark.filterwarnings("ignore:unclosed file .*english.json:ResourceWarning")  # Whisper leaves the file open.
def test_the_judges_benchmark_reads_the_validation_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_ASR__MODEL", "tiny.en")
    out = make(tmp_path, "validation", "--language", "en", "--lines", "1")
    pairs = [*transcribed(out)]
    wanted = [line.text for line in lines.validating(1) if line.language == "en"]
    assert [pair.read.text for pair in pairs] == wanted
    assert all(pair.transcribed.text for pair in pairs)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["tested"], "tested needs --noise"),
        (["untaught"], "untaught needs --data and --after"),
        (["untaught", "--data", ".", "--after", "10000000"], "--after 10000000"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, given: list[str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make(tmp_path, *given)


def test_the_rooms_that_are_made_serve_as_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "listener", lambda language: Mishearer())
    monkeypatch.setattr(lines, "tested", lambda: lines.validating(1))
    out = make(tmp_path, "tested", "--noise", str(furnish(tmp_path / "around")))
    assert {path.name for path in out.iterdir()} == {"en.tsv", "zh.tsv"}
