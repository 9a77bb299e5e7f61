"""New thresholds stand in the text of a policy, and all else stays as it was."""

import pytest

from pipeline.base.errors import ConfigError
from pipeline.judge import labels, rule_texts
from pipeline.judge.moderation_policy import ResolvedPolicy
from pipeline.judge.rule_texts import read_texts
from training.classifier.policy_text import NewLimit, with_limits, with_origin

LABELS = labels.load_labels()
TEXT = """# What it is for.

name: small
every: {review: 0.6, block: 0.9}
labels:
  abuse: {review: 0.7, languages: {zh: {review: 0.8}}}  # not in games
  # A moderator decides.
  self_harm:
    review: 0.5   # low
    languages:
      zh:
        review: 0.6
risk: {review: 0.75}
room_types:
  game:
    labels: {abuse: {review: 0.85}}
"""


def changed(*limits: NewLimit) -> str:
    return with_limits(TEXT, rule_texts.policy_of(TEXT, LABELS), limits)


def resolved(text: str, room_type: str, language: str) -> ResolvedPolicy:
    return rule_texts.policy_of(text, LABELS).resolved(room_type, language)


def test_a_threshold_is_changed_where_the_policy_states_it() -> None:
    text = changed(
        NewLimit("", "en", "abuse", 0.71), NewLimit("", "zh", "abuse", 0.8123), NewLimit("", "zh", "risk", 0.4)
    )
    expected = TEXT.replace("{review: 0.7,", "{review: 0.71,").replace("{review: 0.8}", "{review: 0.8123}")
    assert text == expected.replace("{review: 0.75}", "{review: 0.4}")
    assert changed(NewLimit("game", "en", "abuse", 0.9)) == TEXT.replace("0.85", "0.9")


def test_the_highest_threshold_counts_for_languages_that_share_a_place() -> None:
    limits = [NewLimit("", "en", "risk", 0.8), NewLimit("", "zh", "risk", 0.7)]
    for given in (limits, limits[::-1]):
        assert changed(*given) == TEXT.replace("0.75", "0.8")


@pytest.mark.parametrize("rule", ["abuse", "self_harm"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_block_rises_to_a_review_above_it(rule: str, language: str) -> None:
    text = changed(NewLimit("", language, rule, 0.95))
    found = resolved(text, "", language).labels[rule]
    assert (found.review, found.block) == (0.95, 0.95)
    again = with_limits(text, rule_texts.policy_of(text, LABELS), [NewLimit("", language, rule, 0.97)])
    found = resolved(again, "", language).labels[rule]
    assert (found.review, found.block) == (0.97, 0.97)
    assert "# not in games" in again
    assert "# low" in again


def test_the_origin_stands_at_the_top_once() -> None:
    once = with_origin(TEXT, "one, 5.")
    assert once == TEXT.replace("# What it is for.\n", "# What it is for.\n# Fitted by one, 5.\n")
    assert with_origin(once, "two.") == once.replace("one, 5.", "two.")
    assert with_origin("name: a\n", "it.") == "# Fitted by it.\nname: a\n"


def test_a_policy_without_a_threshold_of_the_label_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no labels\.fraud\.review\. Write one"):
        changed(NewLimit("", "en", "fraud", 0.5))


def test_the_shipped_policy_has_a_place_for_each_threshold() -> None:
    text = read_texts("default", []).policy
    policy = rule_texts.policy_of(text, LABELS)
    names = [*policy.resolved("", "en").labels, "risk"]
    limits = [NewLimit("", language, name, 0.123) for name in names for language in ("en", "zh")]
    made = with_limits(text, policy, limits)
    for language in ("en", "zh"):
        found = resolved(made, "", language)
        assert {each.review for each in (*found.labels.values(), found.risk)} == {0.123}
    assert made.count("\n") == text.count("\n")
