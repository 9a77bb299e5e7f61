"""The remarks about limits: none about the shipped policy, and one about a limit that is far too low."""

from pipeline.judge import editing, labels
from pipeline.judge.rules import RuleTexts, read_texts

LABELS = labels.load()
SHIPPED = read_texts("default", ()).policy


def low(policy: str) -> list[str]:
    return [one.key for one in editing.remarks(RuleTexts(policy), LABELS) if one.code == "low_limit"]


def test_no_shipped_limit_is_called_low() -> None:
    assert low(SHIPPED) == []


def test_a_lower_limit_is_named() -> None:
    start = SHIPPED.index("  ads_spam: {review: ") + len("  ads_spam: {review: ")
    policy = f"{SHIPPED[:start]}0.14{SHIPPED[SHIPPED.index(',', start) :]}"
    assert low(policy) == ["labels.ads_spam.review"]
