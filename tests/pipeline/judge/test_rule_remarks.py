"""Remarks about a policy: wrong names, limits that are far too low, and labels that can never be flagged."""

from pathlib import Path

import pytest

from pipeline.judge import labels, rule_remarks
from pipeline.judge.rule_texts import RuleTexts, read_texts
from pipeline.settings import ListenSettings

LABELS = labels.load_labels()
SHIPPED = read_texts("default", ()).policy


@pytest.mark.parametrize(
    ("wrong", "code", "instead"),
    [
        ("sounds: {moans: {review: never}}", "one_of", "moan"),
        ("marks: {no_speach: review}", "one_of", "no_speech"),
        ("risk: {review: 0.5, languages: {ENGLISH: {review: 0.9}}}", "language_code", ""),
    ],
)
def test_a_wrong_name_is_told_with_the_names_that_there_are(wrong: str, code: str, instead: str) -> None:
    policy = f"name: own\nevery: {{review: 0.5}}\n{wrong}\n"
    [found] = rule_remarks.remarks(RuleTexts(policy), LABELS, ListenSettings())
    assert (found.line, found.code, found.instead) == (3, code, instead)
    assert f"'{instead}'" in found.values["wanted"] or code == "language_code"


def low(policy: str) -> list[str]:
    return [
        one.key for one in rule_remarks.remarks(RuleTexts(policy), LABELS, ListenSettings()) if one.code == "low_limit"
    ]


def test_no_shipped_limit_is_called_low() -> None:
    assert low(SHIPPED) == []


def test_a_lower_limit_is_named() -> None:
    start = SHIPPED.index("  ads_spam: {review: ") + len("  ads_spam: {review: ")
    policy = f"{SHIPPED[:start]}0.14{SHIPPED[SHIPPED.index(',', start) :]}"
    assert low(policy) == ["labels.ads_spam.review"]


def test_a_label_of_a_sound_that_nobody_has_banned_is_named() -> None:
    policy = "name: own\nevery: {review: 0.5}\nsounds:\n  recording: {label: abuse}\n  moan: {label: sexual}\n"
    [found] = rule_remarks.remarks(RuleTexts(policy), LABELS, ListenSettings())
    assert (found.level, found.code, found.line, found.key) == ("warning", "sound_label", 5, "sounds.moan.label")


BOTH = """
name: own
every: {review: 0.5}
labels:
  violence: {sources: both}
room_types:
  game:
    every: {sources: both}
    ear:
      labels:
        fraud: {review: never}
  kids: {}
"""


def unheard(policy: str, listen: ListenSettings) -> list[tuple[str, int, str, str]]:
    """Return the code, line, key and labels of each warning."""
    found = rule_remarks.remarks(RuleTexts(policy), LABELS, listen)
    assert {each.level for each in found} <= {"warning"}
    return [(each.code, each.line, each.key, each.values["label"]) for each in found]


def test_labels_that_need_a_second_ear_are_named_where_there_is_none() -> None:
    first, rest = unheard(BOTH, ListenSettings())
    assert first == ("no_ear", 5, "labels.violence.sources", "violence")
    assert rest[:3] == ("no_ear", 8, "room_types.game.every.sources")
    assert set(rest[3].split(", ")) == {*LABELS.labels} - {"violence"}, "in one warning, and violence only once"


def test_a_limit_that_makes_the_second_ear_deaf_is_named() -> None:
    assert unheard(BOTH, ListenSettings(ear="model")) == [
        ("ear_never", 11, "room_types.game.ear.labels.fraud.review", "fraud")
    ]


def test_labels_that_the_second_ear_does_not_know_are_named(tmp_path: Path) -> None:
    names = tmp_path / "ear.yaml"
    listen = ListenSettings(ear="model", ear_label_map=names)
    policy = BOTH.replace("every: {sources: both}", "labels: {abuse: {sources: both}}")
    [(code, line, _, label)] = unheard(policy, listen)
    assert (code, line, label) == ("ear_unread", 0, "abuse, violence"), "the map is not there"
    names.write_text("{Shout: violence, Talk: null}")
    assert unheard(policy, listen) == [("ear_without_label", 8, "room_types.game.labels.abuse.sources", "abuse")]


@pytest.mark.parametrize("rule", ["{sources: any}", "{enabled: false}"])
def test_a_label_that_needs_no_second_ear_is_not_named(rule: str) -> None:
    assert unheard(f"{{name: own, every: {{review: 0.5}}, labels: {{abuse: {rule}}}}}", ListenSettings()) == []
