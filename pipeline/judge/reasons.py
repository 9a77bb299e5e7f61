"""The reasons of a verdict in words: how a term of a lexicon is written there, and read back from a stored flag."""

import re
from collections.abc import Iterable

from pipeline.contract.messages import Suggestion
from pipeline.judge.labels import Severity

TERM = re.compile(r"([a-z0-9_]+): the term “(.*)” \((?:low|medium|high|critical)\) means (?:review|block)", re.DOTALL)
CONTEXT = "in context: the speech before it raised the score; alone, the text means "
"""The start of the reason of a suggestion that the text alone does not give."""
RISK = re.compile(r"risk [\d.]+ reaches (?:review|block), but no label does")
READER = re.compile(r".* for the second reader \((.*)\)", re.DOTALL)
LIMIT = "at most "
"""The start of a reason that only makes a suggestion milder."""

WITHHELD = ": withheld until words and second ear agree"
"""The end of the reason that a label gives if it needs both sources, and has one."""
AGREE = ": words and second ear agree"
"""The end of the reason that it gives when it has both."""

LabelledTerm = tuple[str, str]
"""A label, and a term of its lexicon."""


def of_term(label: str, term: str, level: Severity, suggestion: Suggestion) -> str:
    """Return the reason that a lexicon term gives."""
    return f"{label}: the term “{term}” ({level}) means {suggestion}"


def of_context(alone: Suggestion) -> str:
    """Return the reason that the speech before a text gives, if it raised the suggestion from `alone`."""
    return f"{CONTEXT}{alone}"


def from_context(reasons: Iterable[str]) -> bool:
    """Whether the text alone would have a milder suggestion than with the speech before it."""
    return any(reason.startswith(CONTEXT) for reason in reasons)


def of_risk(risk: float, suggestion: Suggestion) -> str:
    """Return the reason that the probability of any label gives, if no single label reaches its threshold."""
    return f"risk {risk:.2f} reaches {suggestion}, but no label does"


def of_sound(kind: str, score: float, suggestion: Suggestion, limit: float) -> str:
    """Return the reason that a sound gives."""
    return f"sound {kind}: score {score:.2f} reaches {suggestion} at {limit:.2f}"


def of_cooldown(names: str, seconds: float) -> str:
    """Return the reason that a cool-down gives: the speaker was blocked for the same within the last `seconds`."""
    return f"{LIMIT}review: blocked for {names} within the last {seconds:g} s"


def of_audio_classifier(label: str, score: float, suggestion: Suggestion, limit: float) -> str:
    """Return the reason that a label of the second ear gives."""
    return f"second ear: {label} {score:.2f} reaches {suggestion} at {limit:.2f}"


def of_reader(label: str, score: float, limit: float, manner: str) -> str:
    """Return the reason that the second reader gives. `manner` says how the text means the label."""
    return f"{label}: score {score:.2f} reaches review at {limit:.2f} for the second reader ({manner})"


def manner(reasons: Iterable[str]) -> str:
    """Return how the text means its labels, as the second reader says; empty if it is not the source."""
    return next((found[1] for found in map(READER.fullmatch, reasons) if found), "")


def of_withheld(label: str) -> str:
    """Return the reason that a label gives if it needs both sources, words and second ear, and has one."""
    return f"{label}{WITHHELD}"


def of_both(label: str) -> str:
    """Return the reason of a flag that was withheld until both sources had the label."""
    return f"{label}{AGREE}"


def agreed(reasons: Iterable[str]) -> str:
    """Return the label on which both sources agree; empty if the flag did not need both."""
    return next((reason.removesuffix(AGREE) for reason in reasons if reason.endswith(AGREE)), "")


def from_risk(reasons: Iterable[str]) -> bool:
    """Whether only the probability of any label reached a threshold."""
    return any(RISK.fullmatch(reason) for reason in reasons)


def terms_alone(reasons: Iterable[str]) -> frozenset[LabelledTerm]:
    """Return the terms that led to a flag, if nothing else did; else nothing."""
    found: set[LabelledTerm] = set()
    for reason in reasons:
        if reason.startswith(LIMIT) or reason.endswith(WITHHELD):
            continue
        match = TERM.fullmatch(reason)
        if match is None:
            return frozenset()
        found.add((match[1], match[2]))
    return frozenset(found)
