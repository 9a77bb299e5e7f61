from collections.abc import Iterable
from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from pipeline.judge import moderation_policy
from pipeline.judge.moderation_policy import PolicyLayer
from pipeline.judge.verdict import ORDER
from tests.pipeline.judge.fakes import LABELS

OWN = """
name: own
every: {review: 0.5, block: 0.9, levels: {high: review, critical: block}}
labels:
  abuse:
    review: 0.6
    languages: {zh: {review: 0.7}}
  hate: {enabled: false}
risk: {review: 0.8}
cooldown_seconds: 10
room_types:
  kids:
    every: {review: 0.3, levels: {high: block}}
    labels:
      hate: {enabled: true}
      abuse: {languages: {zh: {review: 0.2}}}
    cooldown_seconds: 0
"""


def book(folder: Path, text: str = OWN) -> moderation_policy.PolicyResolver:
    path = folder / "own.yaml"
    path.write_text(text, "utf-8")
    return moderation_policy.load_policy(str(path), LABELS)


def test_a_label_rule_wins_over_every_and_a_language_rule_over_both(tmp_path: Path) -> None:
    own = book(tmp_path)
    english, chinese = own.resolved("default", "en").labels, own.resolved("default", "zh").labels
    assert (english["fraud"].review, english["abuse"].review, chinese["abuse"].review) == (0.5, 0.6, 0.7)
    assert english["abuse"].block == 0.9
    assert "hate" not in english


def test_a_room_type_rule_wins_over_all_rooms(tmp_path: Path) -> None:
    own = book(tmp_path)
    kids = own.resolved("kids", "zh")
    assert (kids.labels["fraud"].review, kids.labels["abuse"].review, kids.labels["abuse"].block) == (0.3, 0.2, 0.9)
    assert kids.labels["fraud"].levels == {"low": "pass", "medium": "pass", "high": "block", "critical": "block"}
    assert "hate" in kids.labels
    assert (kids.cooldown_seconds, own.resolved("default", "zh").cooldown_seconds) == (0, 10)
    assert kids.risk.review == 0.8


def test_an_unknown_room_type_has_the_rules_of_all_rooms(tmp_path: Path) -> None:
    own = book(tmp_path)
    assert own.resolved("karaoke", "en") == own.resolved("default", "en")


def test_each_layer_is_searched_for_languages_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searched, languages = list[PolicyLayer](), moderation_policy._languages

    def search(layers: Iterable[PolicyLayer]) -> set[str]:
        found = list(layers)
        searched.extend(found)
        return languages(found)

    monkeypatch.setattr(moderation_policy, "_languages", search)
    book(tmp_path, OWN + "".join(f"  r{number}: {{review_scale: 0.9}}\n" for number in range(50)))
    assert len(searched) == 52


def test_an_unset_or_switched_off_threshold_is_never_reached(tmp_path: Path) -> None:
    rules = book(tmp_path, "{name: own, labels: {abuse: {block: never}, hate: {review: 0.9}}}").resolved(
        "default", "en"
    )
    assert rules.labels["abuse"].by_score(1.0) == "pass"
    assert rules.risk.by_score(1.0) == "pass"


def test_a_scale_makes_every_review_score_stricter_and_leaves_blocks(tmp_path: Path) -> None:
    own = book(tmp_path, OWN + "    review_scale: 0.5\n")
    kids = own.resolved("kids", "en")
    assert (kids.labels["fraud"].review, kids.labels["fraud"].block, kids.risk.review) == (0.15, 0.9, 0.4)


def test_never_reviewing_by_score_may_still_block(tmp_path: Path) -> None:
    rules = book(tmp_path, "{name: own, every: {review: never, block: 0.9}}").resolved("default", "en")
    assert [rules.labels["fraud"].by_score(score) for score in (0.89, 0.9)] == ["pass", "block"]


def test_risk_has_thresholds_by_language(tmp_path: Path) -> None:
    own = book(tmp_path, "{name: own, risk: {review: 0.8, languages: {zh: {review: 0.9}}}}")
    assert (own.resolved("default", "en").risk.review, own.resolved("default", "zh").risk.review) == (0.8, 0.9)


def test_the_version_follows_the_content_not_the_comments(tmp_path: Path) -> None:
    version = book(tmp_path).version
    assert version.startswith("own@")
    assert len(version) == len("own@") + 8
    assert book(tmp_path, OWN + "\n# a comment\n").version == version
    assert book(tmp_path, OWN.replace("0.6", "0.61")).version != version


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{name: a, labels: {rude: {review: 0.5}}}",
            r"own\.yaml: labels: unknown label rude\. Known labels: sexual, abuse",
        ),
        ("{name: a, room_types: {kids: {labels: {rude: {}}}}}", r"room_types\.kids\.labels: unknown label rude"),
        ("{name: a, every: {review: 1.5}}", r"every\.review"),
        ("{name: a, every: {levels: {severe: block}}}", r"every\.levels\.severe"),
        ("{name: a, every: {levels: {high: mute}}}", r"every\.levels\.high"),
        ("{name: a, marks: {repetition: block}}", r"marks\.repetition: Input should be 'pass' or 'review'"),
        ("{name: a, marks: {boredom: pass}}", r"marks\.boredom"),
        ("{name: a, cooldown_seconds: -1}", "cooldown_seconds"),
        ("{name: a, threshold: 1}", "threshold: Extra inputs"),
        ("{every: {review: 0.5}}", "name: Field required"),
        (
            "{name: a, every: {review: 0.9, block: 0.5}}",
            r"default rooms, other languages\): sexual: block at 0.5 is below review at 0.9",
        ),
        (
            "{name: a, every: {review: 0.6, block: 0.9}, labels: {abuse: {act: 0.5}}}",
            r"default rooms, other languages\): abuse: act at 0.5 is below review at 0.6",
        ),
        (
            "{name: a, every: {review: 0.6}, labels: {abuse: {act: 0.7, languages: {zh: {act: 0.5}}}}}",
            r"default rooms, zh\): abuse: act at 0.5 is below review at 0.6",
        ),
        ("{name: a, every: {review: 0.6}, risk: {act: 0.9}}", r"risk\.act: Extra inputs"),
        (
            "{name: a, every: {review: 0.1, block: 0.2}, labels: {abuse: {languages: {ja: {review: 0.3}}}}}",
            r"default rooms, ja\): abuse: block at 0.2 is below review at 0.3",
        ),
        (
            "{name: a, every: {review: 0.9, block: 0.5, languages: {en: {block: 0.95}, zh: {block: 0.95}}}}",
            r"default rooms, other languages\): sexual: block at 0.5 is below review at 0.9",
        ),
        (
            "{name: a, every: {review: 0.5}, labels: {abuse: {languages: {cn: {review: 0.3}}}}}",
            r"labels\.abuse\.languages\.cn: 'cn' is no language code of Whisper \(did you mean zh\?\)",
        ),
        ("{name: a, every: {review: 0.5, enabled: false}}", r"default rooms, .*: no label has an effect"),
        ("{name: a, every: {review: never, block: never}}", r"default rooms, .*: no label has an effect"),
        (
            "{name: a, every: {review: 0.5}, room_types: {kids: {every: {enabled: false}}}}",
            r"kids rooms, .*: no label has an effect",
        ),
        ("{name: a, every: {review: 0.5}, review_scale: 9}", r"review at 4\.5, with review_scale, is above"),
        ("{name: a, every: {review: .nan}}", r"every\.review"),
        ("{name: a, every: {review: 0.5}, cooldown_seconds: .inf}", "cooldown_seconds"),
        ("{name: a, every: {review: 0.5}, cooldown_seconds: 86400}", "cooldown_seconds"),
        ("{name: a, every: {review: 0.5}, name: b}", "gives the key name twice"),
    ],
)
def test_mistakes_are_named_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        book(tmp_path, text)
    assert "own.yaml" in str(caught.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"lax\.yaml cannot be read.*There are: default, strict"):
        moderation_policy.load_policy("lax", LABELS)


@pytest.mark.parametrize("name", ["default", "strict"])
def test_the_shipped_policies_are_sound(name: str) -> None:
    rules = moderation_policy.load_policy(name, LABELS).resolved("default", "zh")
    assert set(rules.labels) == set(LABELS.labels) - {"political_sensitive"}
    assert rules.labels["self_harm"].levels["critical"] == "review"
    assert rules.labels["self_harm"].by_score(1.0) == "review"


@pytest.mark.parametrize(
    ("ear", "fault"),
    [
        ("{labels: {nonsense: {review: 0.5}}}", "ear.labels"),
        ("{labels: {abuse: {review: 0.9, block: 0.5}}}", "second ear: abuse: block at 0.5 is below review at 0.9"),
        ("{every: {block: 0.5}}", "second ear: .*: block at 0.5 is below review at 0.9"),
        ("{every: {review: 2}}", "ear.every.review"),
        ("{labels: {abuse: {levels: {low: block}}}}", "ear.labels.abuse.levels"),
        ("{abuse: {review: 0.5}}", "ear.abuse"),
    ],
)
@pytest.mark.parametrize("place", ["ear: RULES", "room_types: {kids: {ear: RULES}}"])
def test_a_mistake_about_the_second_ear_is_named(tmp_path: Path, place: str, ear: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        book(tmp_path, f"{{name: own, every: {{review: 0.5}}, {place.replace('RULES', ear)}}}")


@pytest.mark.parametrize(
    ("sounds", "fault"),
    [
        ("{recording: {label: nonsense}}", "sounds.recording.label"),
        ("{recording: {review: 0.9, block: 0.5}}", "recording: block at 0.5 is below review at 0.9"),
        ("{recording: {review: 2}}", "sounds.recording"),
        ("{sneeze: {review: 0.5}}", "sounds.sneeze"),
        ("{howl: {block: 0.9}}", "sounds.howl.block: howl is never blocked"),
    ],
)
def test_a_mistake_about_sounds_is_named(tmp_path: Path, sounds: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        book(tmp_path, f"{{name: own, every: {{review: 0.5}}, sounds: {sounds}}}")


def test_a_label_needs_both_sources_where_the_narrowest_rule_says_so(tmp_path: Path) -> None:
    text = """
name: own
every: {review: 0.5}
labels: {hate: {sources: both}}
room_types:
  game: {every: {sources: both}, labels: {fraud: {sources: any}}}
  kids: {labels: {hate: {sources: any}}}
"""
    own = book(tmp_path, text)
    rules = {kind: own.resolved(kind, "en").labels for kind in ("default", "game", "kids")}
    assert {label for label, limits in rules["default"].items() if limits.both} == {"hate"}
    assert {label for label, limits in rules["game"].items() if not limits.both} == {"fraud"}
    assert not any(limits.both for limits in rules["kids"].values())
    assert "fraud" not in own.need_both()
    assert {"hate", "abuse"} <= set(own.need_both())
    with pytest.raises(ConfigError, match=r"labels\.hate\.sources"):
        book(tmp_path, "{name: own, every: {review: 0.5}, labels: {hate: {sources: ear}}}")


@pytest.mark.parametrize("language", ["en", "zh", "es"])
@pytest.mark.parametrize("room_type", ["default", "kids", "game"])
def test_strict_never_flags_less_than_default(language: str, room_type: str) -> None:
    strict, default = (
        moderation_policy.load_policy(name, LABELS).resolved(kind, language)
        for name, kind in (("strict", room_type), ("default", "default"))
    )
    assert strict.labels.keys() >= default.labels.keys()
    rules = [(strict.labels[label], limits) for label, limits in default.labels.items()]
    for ours, theirs in [*rules, (strict.risk, default.risk)]:
        assert (ours.review <= theirs.review, ours.block <= theirs.block) == (True, True)
        assert all(ORDER.index(ours.levels[at]) >= ORDER.index(theirs.levels[at]) for at in theirs.levels)
