from pathlib import Path

import pytest
from msgspec import structs

from pipeline.base.errors import ConfigError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag
from pipeline.judge.classifier import SHIPPED, Classifier, load_classifier
from pipeline.judge.judge_stage import Judge, build, read_config
from pipeline.settings import JudgeSettings, Settings
from tests.builders import sound, transcript
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
    return Judge(read_config(chosen), classifier, metrics)


def count(metrics: Metrics, suggestion: str, agrees: str, version: str) -> float | None:
    labels = {"policy": version, "suggestion": suggestion, "agrees": agrees}
    return metrics.registry.get_sample_value("voxwarden_shadow_flags_total", labels)


def test_a_shadow_is_counted_beside_the_real_policy_on_the_same_scores(chosen: JudgeSettings) -> None:
    metrics, classifier = Metrics(), WordClassifier({"mild": {"abuse": 0.5}, "harsh": {"abuse": 0.9}})
    config = read_config(chosen)
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


def test_a_shadow_judges_sounds_too(chosen: JudgeSettings, tmp_path: Path) -> None:
    rules = "sounds: {recording: {review: never, block: 0.5}}\n"
    (tmp_path / "stricter.yaml").write_text(STRICTER + rules)
    metrics, config = Metrics(), read_config(chosen)
    (shadow,) = [shadow.policy.version for shadow in config.shadows]
    heard = [sound("a", 0.0, 10.0), sound("b", 10.0, 25.0), sound("quiet", 25.0, 30.0, score=0.4)]
    flags = judge(chosen, WordClassifier({}), metrics).process(heard)
    assert [flag.suggestion for flag in flags if isinstance(flag, Flag)] == ["review"] * 3
    assert count(metrics, "block", "no", shadow) == 1
    assert count(metrics, "review", "yes", shadow) == 1, "the next part, within the shadow's own cool-down"
    assert count(metrics, "pass", "no", shadow) == 1


def test_a_shadow_model_does_not_judge_sounds(chosen: JudgeSettings) -> None:
    metrics, config = Metrics(), read_config(chosen.model_copy(update={"shadow_policies": ()}))
    Judge(config, WordClassifier({}), metrics, WordClassifier({})).process([sound()])
    assert count(metrics, "review", "yes", f"{config.policy.version} words@1") == 0


def test_a_shadow_changes_no_flag(chosen: JudgeSettings, tmp_path: Path) -> None:
    """Its blocks have no effect either: only the shadow policy itself cools down for them."""
    (tmp_path / "lax.yaml").write_text("name: lax\nevery: {review: 0.6, block: 0.95}\ncooldown_seconds: 60\n")
    classifier = WordClassifier({"harsh": {"abuse": 0.9}, "vile": {"abuse": 0.99}})
    said = [transcript(text, float(at)) for at, text in enumerate(["harsh", "vile", "harsh", "vile"])]
    alone = chosen.model_copy(update={"shadow_policies": ()})
    flags = judge(chosen, classifier, Metrics()).process(said)
    assert flags == judge(alone, classifier, Metrics()).process(said)
    assert [flag.suggestion for flag in flags if isinstance(flag, Flag)] == ["review", "block", "review", "review"]


def test_a_shadow_model_is_counted_with_its_own_scores(chosen: JudgeSettings) -> None:
    """The real flags are those of the real model."""
    metrics = Metrics()
    real, other = WordClassifier({"harsh": {"abuse": 0.9}}), WordClassifier({"harsh": {}, "mild": {"abuse": 0.9}})
    other.name = "other@2"
    alone = chosen.model_copy(update={"shadow_policies": ()})
    said = [transcript(text, float(at)) for at, text in enumerate(["mild", "harsh", "fine"])]
    flags = Judge(read_config(alone), real, metrics, other).process(said)
    assert flags == Judge(read_config(alone), real, Metrics()).process(said)
    name = f"{read_config(alone).policy.version} other@2"
    assert count(metrics, "review", "no", name) == 1, "mild"
    assert count(metrics, "pass", "no", name) == 1, "harsh"
    assert count(metrics, "pass", "yes", name) == 1, "fine"
    assert count(metrics, "block", "yes", name) == 0, "there from the start"


def test_a_shadow_model_reads_context_if_it_was_trained_with_it(chosen: JudgeSettings) -> None:
    metrics = Metrics()
    pieces = {"you": {"abuse": 0.3, "risk": 0.6}, "i hate</s>you": {"abuse": 0.9, "risk": 0.9}}
    alone = chosen.model_copy(update={"shadow_policies": ()})
    candidate = WordClassifier(pieces, context=True)
    judge = Judge(read_config(alone), WordClassifier(pieces), metrics, candidate)
    flags = judge.process([transcript("i hate", 100.0), transcript("you", 103.0)])
    assert [flag.suggestion for flag in flags if isinstance(flag, Flag)] == ["pass", "pass"]
    assert count(metrics, "review", "no", f"{read_config(alone).policy.version} {candidate.name}") == 1


def test_a_shadow_model_may_have_a_policy_of_its_own(chosen: JudgeSettings) -> None:
    metrics = Metrics()
    stricter = chosen.shadow_policies[0]
    config = read_config(chosen.model_copy(update={"shadow_policies": (), "shadow_model_policy": stricter}))
    assert config.model_policy is not None
    model = WordClassifier({"mild": {"abuse": 0.5}})
    flags = Judge(config, model, metrics, model).process([transcript("mild")])
    assert [flag.suggestion for flag in flags if isinstance(flag, Flag)] == ["pass"]
    assert count(metrics, "review", "no", f"{config.model_policy.version} words@1") == 1


def test_the_settings_name_the_shadow_model() -> None:
    with pytest.raises(ConfigError, match=r"judge\.shadow_model: no model at nowhere"):
        build(Settings(judge=JudgeSettings(shadow_model="nowhere")), Metrics())
    metrics = Metrics()
    shipped = str(SHIPPED)
    made = build(Settings(judge=JudgeSettings(shadow_model=shipped)), metrics)
    made.process([transcript("good morning")])
    version = read_config(JudgeSettings()).policy.version
    assert count(metrics, "pass", "yes", f"{version} {load_classifier(JudgeSettings()).name}") == 1


def test_a_mistake_in_a_shadow_policy_is_named_at_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: wrong\nevery: {reviw: 0.4}\n")
    with pytest.raises(ConfigError, match=r"wrong\.yaml: every\.reviw"):
        read_config(JudgeSettings(shadow_policies=(str(wrong),)))


def test_a_skipped_transcript_has_no_flag() -> None:
    metrics = Metrics()
    unheard = structs.replace(transcript(""), skipped=True)
    found = judge_of(metrics=metrics).process([unheard, transcript("hello")])
    assert [flag.text for flag in found if isinstance(flag, Flag)] == ["hello"]
    assert metrics.registry.get_sample_value("voxwarden_flags_total", {"suggestion": "pass", "source": "words"}) == 1


BOTH = "labels: {abuse: {sources: both}}\near: {every: {review: 0.5}}\n"


def counts_of_agreeing_sources(chosen: JudgeSettings) -> dict[tuple[str, str], float | None]:
    """Words and second ear find abuse in the same moment. Return what the shadow counts, by suggestion and `agrees`."""
    metrics, config = Metrics(), read_config(chosen)
    (shadow,) = [shadow.policy.version for shadow in config.shadows]
    said = transcript("harsh")
    heard = sound(kind="ear", label="abuse", room=said.room, speaker=said.speaker)
    judging = judge(chosen, WordClassifier({"harsh": {"abuse": 0.7}}), metrics)
    judging.process([said, structs.replace(heard, start=said.start, end=said.end)])
    kinds = [(suggestion, agrees) for suggestion in ("pass", "review") for agrees in ("yes", "no")]
    return {kind: count(metrics, *kind, shadow) for kind in kinds}


def test_a_shadow_that_needs_both_sources_counts_its_released_flags(chosen: JudgeSettings, tmp_path: Path) -> None:
    """The real policy reviews the words alone, and passes the ear."""
    (tmp_path / "stricter.yaml").write_text(STRICTER + BOTH)
    assert counts_of_agreeing_sources(chosen) == {
        ("pass", "yes"): 1,
        ("pass", "no"): 1,
        ("review", "yes"): 1,
        ("review", "no"): 1,
    }


def test_two_policies_that_withhold_the_same_flag_agree(chosen: JudgeSettings, tmp_path: Path) -> None:
    (tmp_path / "stricter.yaml").write_text(STRICTER + BOTH)
    (tmp_path / "lax.yaml").write_text(LAX + BOTH)
    assert counts_of_agreeing_sources(chosen) == {
        ("pass", "yes"): 2,
        ("pass", "no"): 0,
        ("review", "yes"): 2,
        ("review", "no"): 0,
    }
