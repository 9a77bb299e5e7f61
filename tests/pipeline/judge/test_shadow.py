from pathlib import Path

import pytest
from msgspec import structs

from pipeline.errors import ConfigError
from pipeline.judge.classifier import Classifier
from pipeline.judge.judge import Judge, check
from pipeline.messages import Flag
from pipeline.metrics import Metrics
from pipeline.settings import JudgeSettings
from tests.builders import transcript
from tests.pipeline.judge.fakes import WordClassifier, judge_of

STRICTER = """
name: stricter
every: {review: 0.4, block: 0.8}
cooldown_seconds: 60
"""
LAX = """
name: lax
every: {review: 0.6}
"""


@pytest.fixture
def chosen(tmp_path: Path) -> JudgeSettings:
    for name, text in (("lax", LAX), ("stricter", STRICTER)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return JudgeSettings(policy=str(tmp_path / "lax.yaml"), shadow_policies=(str(tmp_path / "stricter.yaml"),) * 2)


def judge(chosen: JudgeSettings, classifier: Classifier, metrics: Metrics) -> Judge:
    return Judge(check(chosen), classifier, metrics)


def count(metrics: Metrics, suggestion: str, agrees: str, version: str) -> float | None:
    labels = {"policy": version, "suggestion": suggestion, "agrees": agrees}
    return metrics.registry.get_sample_value("voxwarden_shadow_flags_total", labels)


def test_a_shadow_is_counted_beside_the_real_policy_on_the_same_scores(chosen: JudgeSettings) -> None:
    metrics, classifier = Metrics(), WordClassifier({"mild": {"abuse": 0.5}, "harsh": {"abuse": 0.9}})
    config = check(chosen)
    (shadow,) = [shadow.policy.version for shadow in config.shadows]
    said = [transcript(text, float(at)) for at, text in enumerate(["mild", "harsh", "harsh", "fine"])]
    flags = judge(chosen, classifier, metrics).process(said)
    assert [flag.suggestion for flag in flags if isinstance(flag, Flag)] == ["pass", "review", "review", "pass"]
    assert {flag.policy for flag in flags if isinstance(flag, Flag)} == {config.policy.version}
    assert classifier.asked == ["mild", "harsh", "harsh", "fine"]
    assert count(metrics, "review", "no", shadow) == 1, "mild"
    assert count(metrics, "block", "no", shadow) == 1, "harsh"
    assert count(metrics, "review", "yes", shadow) == 1, "harsh again, within the shadow's own cool-down"
    assert count(metrics, "pass", "yes", shadow) == 1
    assert count(metrics, "block", "yes", shadow) == 0, "there from the start"


def test_a_shadow_changes_no_flag(chosen: JudgeSettings, tmp_path: Path) -> None:
    """Its blocks have no effect either: only the shadow policy itself cools down for them."""
    (tmp_path / "lax.yaml").write_text("name: lax\nevery: {review: 0.6, block: 0.95}\ncooldown_seconds: 60\n")
    classifier = WordClassifier({"harsh": {"abuse": 0.9}, "vile": {"abuse": 0.99}})
    said = [transcript(text, float(at)) for at, text in enumerate(["harsh", "vile", "harsh", "vile"])]
    alone = chosen.model_copy(update={"shadow_policies": ()})
    flags = judge(chosen, classifier, Metrics()).process(said)
    assert flags == judge(alone, classifier, Metrics()).process(said)
    assert [flag.suggestion for flag in flags if isinstance(flag, Flag)] == ["review", "block", "review", "review"]


def test_a_mistake_in_a_shadow_policy_is_named_at_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: wrong\nevery: {reviw: 0.4}\n")
    with pytest.raises(ConfigError, match=r"wrong\.yaml: every\.reviw"):
        check(JudgeSettings(shadow_policies=(str(wrong),)))


def test_a_skipped_transcript_has_no_flag() -> None:
    metrics = Metrics()
    unheard = structs.replace(transcript(""), skipped=True)
    found = judge_of(metrics=metrics).process([unheard, transcript("hello")])
    assert [flag.text for flag in found if isinstance(flag, Flag)] == ["hello"]
    assert metrics.registry.get_sample_value("voxwarden_flags_total", {"suggestion": "pass"}) == 1
