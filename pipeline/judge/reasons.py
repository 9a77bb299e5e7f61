"""The reasons of a verdict in words: how a term of a lexicon is written there, and read back from a stored flag."""

import re
from collections.abc import Iterable

from pipeline.judge.labels import Severity
from pipeline.messages import Suggestion

TERM = re.compile(r"([a-z0-9_]+): the term “(.*)” \((?:low|medium|high|critical)\) means (?:review|block)", re.DOTALL)
LIMIT = "at most "
"""The start of a reason that only makes a suggestion milder."""

LabelledTerm = tuple[str, str]
"""A label, and a term of its lexicon."""


def of_term(label: str, term: str, level: Severity, suggestion: Suggestion) -> str:
    """Return the reason that a lexicon term gives."""
    return f"{label}: the term “{term}” ({level}) means {suggestion}"


def terms_alone(reasons: Iterable[str]) -> frozenset[LabelledTerm]:
    """Return the terms that led to a flag, if nothing else did; else nothing."""
    found: set[LabelledTerm] = set()
    for reason in reasons:
        if reason.startswith(LIMIT):
            continue
        match = TERM.fullmatch(reason)
        if match is None:
            return frozenset()
        found.add((match[1], match[2]))
    return frozenset(found)
