"""`python -m training.classifier.thresholds` keeps the stated false alarms on speech that it did not read."""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from pipeline.judge import classifier, labels, rule_texts
from pipeline.learning.training_rows import OUTPUTS, RISK
from tests.training.classifier.sets.tables import write
from training.classifier import thresholds, validation
from training.classifier.sets import authored
from training.classifier.validation import SHARES, UTTERANCES

LABELS = labels.load_labels()
POLICY = """# For tests.
name: small
every: {review: 0.5}
labels: {political_sensitive: {enabled: false}, %s}
risk: {review: 0.9}
room_types: {game: {labels: {abuse: {review: 0.95}}}}
"""
STATED = ", ".join(f"{label}: {{review: 0.9}}" for label in OUTPUTS if label not in {RISK, "political_sensitive"})
TALKS = 30
"""Dialogues of each set. One in ten is for validation."""
FRESH = [sha256(f"fresh {at}".encode()).hexdigest() for at in range(3_000)]
"""Ordinary talk that no threshold was fitted to."""


class Worded:
    """Knows the words of risky lines. Each text also has a score of its own, so that no two texts are alike."""

    name = "worded@1"
    labels = OUTPUTS
    context = False

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        return [self._scores(text.lower()) for text in texts]

    def _scores(self, text: str) -> dict[str, float]:
        own = np.random.default_rng(int.from_bytes(sha256(text.encode()).digest()[:8])).normal(0, 1.2, len(OUTPUTS))
        found = {}
        for output, moved in zip(OUTPUTS, own, strict=True):
            raised = 4.0 * ("idiot" in text and output in {"abuse", RISK}) + 2.5 * (
                "grief" in text and output == "self_harm"
            )
            found[output] = float(1 / (1 + np.exp(4 - raised - moved)))
        return found


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sets of talk, and own lines in English, of which half are for validation."""
    words = [sha256(str(at).encode()).hexdigest() for at in range(6_000)]

    def lines(first: int, count: int, word: str = "") -> list[str]:
        return [f"{one[:5]} {one[5:9]} {word} {one[9:14]} {one[14:19]}" for one in words[first : first + count]]

    talk = [(at // 10, text) for at, text in enumerate(lines(0, 10 * TALKS))]
    for name in ("kdconv", "crosswoz", "ami", "vcsum"):
        write(tmp_path / name / "rows.csv", "dialogue text", *talk)
    write(tmp_path / "topical_chat" / "rows.csv", "dialogue text heard_b", *((*row, "") for row in talk))
    write(tmp_path / "medical_zh" / "rows.csv", "text", *((text,) for _, text in talk))
    calls = [(at, "normal", "caller", text) for at, text in talk]
    write(tmp_path / "teleantifraud" / "rows.csv", "dialogue call speaker text", *calls)
    for name, first in (("swda", 1_000), ("cped", 3_000)):
        rows = [(at // 10, text) for at, text in enumerate(lines(first, 2_000))]
        write(tmp_path / name / "rows.csv", "dialogue text", *rows)
    own = tmp_path / "spoken" / "en"
    own.mkdir(parents=True)
    risky = {"abuse": lines(5_000, 300, "idiot"), "self_harm": lines(5_300, 300, "grief")}
    (own / "risky.yaml").write_text("".join(_block(*each) for each in risky.items()))
    (own / "clean.yaml").write_text(_block("abuse", lines(5_600, 300)))
    monkeypatch.setattr(authored, "EXAMPLES", tmp_path / "spoken")
    monkeypatch.setattr(classifier, "load_classifier", lambda chosen: Worded())
    return tmp_path


def _block(key: str, lines: Sequence[str]) -> str:
    return f"{key}: |\n" + "".join(f"  {line}\n" for line in lines)


def run(data: Path, *options: str, policy: str = POLICY % STATED) -> Result:
    (data / "small.yaml").write_text(policy)
    given = ["--data", str(data), "--policy", str(data / "small.yaml"), *options]
    return CliRunner().invoke(thresholds.app, given)


def limit(data: Path, label: str, room_type: str = "", language: str = "en") -> float:
    resolved = rule_texts.policy_of((data / "small.yaml").read_text(), LABELS).resolved(room_type, language)
    return resolved.labels[label].review


def test_the_speech_has_the_shares_of_what_people_say(data: Path) -> None:
    rows = validation.rows(data)
    weights = validation.weights(rows)
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for row, weight in zip(rows, weights, strict=True):
        kind = "ordinary" if row.source != "authored" else "risky" if row.labels[RISK] else "resembling"
        sums[row.language, kind] += weight
    assert {key[1]: share / UTTERANCES for key, share in sums.items() if key[0] == "en"} == pytest.approx(SHARES)
    assert min(weights) >= 1
    half = [row for row in rows if row.source == "swda"]
    assert 800 < len(half) < 1_200
    assert not {int(row.group) for row in rows if row.source == "kdconv"} >= set(range(TALKS))


def test_insults_of_actors_are_no_ordinary_talk(data: Path) -> None:
    texts = ["你怎么那么不要脸", "他妈的", "你先看看那个剧本"]
    write(data / "cped" / "rows.csv", "dialogue text", *((at, text) for at in range(9) for text in texts))
    kept = {row.text for row in validation.rows(data) if row.source == "cped"}
    assert kept == {"你先看看那个剧本"}


def test_the_policy_keeps_the_false_alarms_and_the_goal(data: Path) -> None:
    ran = run(data, "--alarms-per-1000", "8", "--write")
    assert ran.exit_code == 0, ran.output
    before = limit(data, "self_harm")
    assert limit(data, "abuse", "game") > limit(data, "abuse")
    ran = run(data, "--alarms-per-1000", "8", "--recall", "self_harm=0.7", "--write")
    assert ran.exit_code == 0, ran.output
    text = (data / "small.yaml").read_text()
    options = f"--alarms-per-1000 8 --policy {data / 'small.yaml'} --recall self_harm=0.7"
    assert f"# Fitted by `python -m training.classifier.thresholds {options}`" in text
    assert "for worded@1, 20" in text
    assert limit(data, "self_harm") < before
    scores = Worded().classify(FRESH, [])
    resolved = rule_texts.policy_of(text, LABELS).resolved("", "en")
    flagged = [
        any(each[label] >= limits.review for label, limits in resolved.labels.items())
        or each[RISK] >= resolved.risk.review
        for each in scores
    ]
    assert np.mean(flagged) == pytest.approx(0.008, abs=0.006)


def test_no_threshold_is_above_that_of_another_policy(data: Path) -> None:
    (data / "low.yaml").write_text("name: low\nevery: {review: 0.5}\nlabels: {abuse: {review: 0.2}}\n")
    assert run(data, "--alarms-per-1000", "8", "--write").exit_code == 0
    alone = limit(data, "self_harm")
    assert limit(data, "abuse") > 0.2
    low = str(data / "low.yaml")
    assert run(data, "--alarms-per-1000", "8", "--at-most", low, "--write").exit_code == 0
    assert (limit(data, "abuse"), limit(data, "self_harm")) == (0.2, min(alone, 0.5))


def test_without_write_the_file_stays(data: Path) -> None:
    ran = run(data, "--alarms-per-1000", "8")
    assert ran.exit_code == 0, ran.output
    assert "self_harm" in ran.stdout
    assert (data / "small.yaml").read_text() == POLICY % STATED


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--recall", "self_harm=2"], "no share from 0 to 1"),
        (["--recall", "selfharm=0.6"], "selfharm"),
        (["--policy", "none.yaml"], "none.yaml"),
    ],
)
def test_mistakes_are_named(data: Path, options: list[str], words: str) -> None:
    assert words in str(run(data, "--alarms-per-1000", "8", *options).exception)
