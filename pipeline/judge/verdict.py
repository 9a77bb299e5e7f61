"""Decides one verdict from scores and matches, by a resolved policy, with reasons in words.

A match is evidence beside the classifier's score. A match whose level has weight w (`WEIGHTS`) raises a probability p
to 1 - (1 - p)(1 - w), for `risk` and for the label. So both grow with p and with the level. The labels' thresholds
apply to the classifier's own scores. The threshold of `risk` applies to the raised value. The policy says what each
level leads to.

A label may need both sources, words and second ear (`sources: both`). What the words say about it is withheld until
the second ear has heard it in the same moment.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.contract.messages import Mark, Suggestion
from pipeline.judge.labels import SEVERITIES, Labels, Severity, worst_first
from pipeline.judge.matcher import Match
from pipeline.judge.moderation_policy import ResolvedPolicy

# The patterns read stored reasons, which the functions `of_...` wrote. So the wording is part of the contract.
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


WEIGHTS: dict[Severity, float] = {"low": 0.15, "medium": 0.6, "high": 0.85, "critical": 0.97}
"""The estimated probability that a match of this level is right, for our own lexicons."""

ORDER: tuple[Suggestion, ...] = ("pass", "review", "block")

CARRIES = 0.5
"""A label that reaches its threshold is shown if its odds are at least this share of the highest ones among the labels
that are as severe or more severe. A classifier gives a threat some score for every label about harm, and moderators
would get a wrong queue and measure. A more severe label always stays.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    suggestion: Suggestion
    risk: float
    labels: dict[str, float]
    flagged: tuple[str, ...]
    blocked: frozenset[str]
    """Labels that lead to a block by themselves, before marks and cool-down apply."""
    reasons: tuple[str, ...]
    withheld: tuple[str, ...]
    """Labels that count only when the second ear has heard them, too. The worst one comes first."""
    act: tuple[str, ...] = ()
    """Flagged labels whose own score is fit for an automatic action. The worst one comes first."""


@dataclass(frozen=True, slots=True)
class FiredRule:
    """One rule that fired. By `risk`, the label is the one with the highest score."""

    label: str
    suggestion: Suggestion
    reason: str
    by: Literal["score", "term", "risk"]
    act: bool = False


def decide_verdict(
    scores: Mapping[str, float],
    matches: Sequence[Match],
    policy: ResolvedPolicy,
    labels: Labels,
    marks: Iterable[Mark] = (),
    cooling: frozenset[str] = frozenset(),
    agreed: str = "",
) -> Verdict:
    """The verdict for one transcript.

    `scores` are the classifier's, including `risk`. `cooling` holds the labels for which this speaker was blocked
    during the cool-down. `agreed` is a label that the second ear has heard in the same moment, if any.
    """
    matches = [match for match in matches if match.term.label in policy.labels]
    weights = _weights(matches)
    raised = {label: _either(scores.get(label, 0.0), weights.get(label, 0.0)) for label in policy.labels}
    risk = _either(_risk(scores, policy), max(weights.values(), default=0.0))
    terms = [*_by_level(matches, policy)]
    # `risk` counts only if no single label or term does.
    findings = [*_by_score(scores, policy), *terms] or [*_by_risk(risk, raised, policy)]
    held = dict(_held(marks, policy, least="review" if terms else "pass"))
    needs_both = {finding.label for finding in findings if policy.labels[finding.label].both} - {agreed}
    counted = [finding for finding in findings if finding.label not in needs_both]
    verdict = _verdict(counted, risk, raised, policy, labels, held, cooling)
    if not needs_both or "pass" in held.values():  # a text that its mark lets pass is not withheld
        return verdict
    withheld = tuple(worst_first({label: raised[label] for label in needs_both}, labels))
    return replace(verdict, withheld=withheld, reasons=(*verdict.reasons, *map(of_withheld, withheld)))


def in_context(alone: Verdict, both: Verdict) -> Verdict:
    """`both`, the verdict by the scores with the speech before the text. It says so if they raised the suggestion."""
    if ORDER.index(both.suggestion) <= ORDER.index(alone.suggestion):
        return both
    return replace(both, reasons=(*both.reasons, of_context(alone.suggestion)))


def _verdict(
    findings: list[FiredRule],
    risk: float,
    raised: dict[str, float],
    policy: ResolvedPolicy,
    labels: Labels,
    held: Mapping[Mark, Suggestion],
    cooling: frozenset[str],
) -> Verdict:
    # By `risk`, the label is only the likeliest one, so it starts no cool-down.
    blocked = frozenset(each.label for each in findings if each.suggestion == "block" and each.by != "risk")
    suggestion = _worst(finding.suggestion for finding in findings)
    shown = [
        finding for finding in findings if finding.by != "score" or _carries(finding.label, findings, raised, labels)
    ]
    why = [finding.reason for finding in shown]
    for limit, reason in _limits(suggestion, blocked, policy, held, cooling):
        if ORDER.index(limit) < ORDER.index(suggestion):
            suggestion = limit
            why.append(reason)
    flagged = worst_first({finding.label: raised[finding.label] for finding in shown}, labels)
    # No automatic action on words that the recogniser may have invented.
    fit = set() if held else {finding.label for finding in shown if finding.act}
    act = tuple(label for label in flagged if label in fit)
    return Verdict(suggestion, risk, raised, tuple(flagged), blocked, tuple(why), (), act)


def _carries(label: str, findings: Sequence[FiredRule], scores: Mapping[str, float], labels: Labels) -> bool:
    others = [each.label for each in findings if labels.severity(each.label) >= labels.severity(label)]
    return _odds(scores[label]) >= CARRIES * max(_odds(scores[other]) for other in others)


def _odds(probability: float) -> float:
    return probability / max(1 - probability, 1e-9)


def _by_score(scores: Mapping[str, float], policy: ResolvedPolicy) -> Iterator[FiredRule]:
    for label, rule in policy.labels.items():
        score = scores.get(label, 0.0)
        if (suggestion := rule.by_score(score)) != "pass":
            threshold = rule.block if suggestion == "block" else rule.review
            reason = f"{label}: score {score:.2f} reaches {suggestion} at {threshold:.2f}"
            yield FiredRule(label, suggestion, reason, "score", act=score >= rule.act)


def _by_level(matches: Iterable[Match], policy: ResolvedPolicy) -> Iterator[FiredRule]:
    for match in matches:
        label, level = match.term.label, match.level
        if (suggestion := policy.labels[label].levels[level]) != "pass":
            yield FiredRule(label, suggestion, of_term(label, match.term.text, level, suggestion), "term")


def _by_risk(risk: float, raised: Mapping[str, float], policy: ResolvedPolicy) -> Iterator[FiredRule]:
    if raised and (suggestion := policy.risk.by_score(risk)) != "pass":
        label = max(raised, key=raised.__getitem__)
        yield FiredRule(label, suggestion, of_risk(risk, suggestion), "risk")


def _held(marks: Iterable[Mark], policy: ResolvedPolicy, least: Suggestion) -> Iterator[tuple[Mark, Suggestion]]:
    """The highest suggestion that each mark allows, but at least `least`.

    Without this minimum, a speaker could hide a term behind words that a recogniser typically invents.
    """
    for mark in marks:
        yield mark, max(policy.marks.get(mark, "review"), least, key=ORDER.index)


def _limits(
    suggestion: Suggestion,
    blocked: frozenset[str],
    policy: ResolvedPolicy,
    held: Mapping[Mark, Suggestion],
    cooling: frozenset[str],
) -> Iterator[tuple[Suggestion, str]]:
    for mark, limit in held.items():
        yield limit, f"at most {limit}: the recogniser may have invented this ({mark})"
    if suggestion == "block" and blocked and blocked <= cooling:  # a label that is new blocks again
        yield "review", of_cooldown(", ".join(sorted(blocked)), policy.cooldown_seconds)


def _risk(scores: Mapping[str, float], policy: ResolvedPolicy) -> float:
    """The probability that a label applies that is switched on.

    P(on) >= P(any) - P(off), by the union bound. The result is also at least the largest probability of a label that is
    on.
    """
    off = sum(score for label, score in scores.items() if label != "risk" and label not in policy.labels)
    largest = max((scores.get(label, 0.0) for label in policy.labels), default=0.0)
    return min(1.0, max(largest, scores.get("risk", 0.0) - off))


def _weights(matches: Iterable[Match]) -> dict[str, float]:
    """The weight of each label's most severe match."""
    levels: dict[str, Severity] = {}
    for match in matches:
        levels[match.term.label] = max(levels.get(match.term.label, "low"), match.level, key=SEVERITIES.index)
    return {label: WEIGHTS[level] for label, level in levels.items()}


def _either(one: float, other: float) -> float:
    """Noisy OR: the probability of one or both, if they are independent."""
    return 1 - (1 - one) * (1 - other)


def _worst(suggestions: Iterable[Suggestion]) -> Suggestion:
    return max(suggestions, key=ORDER.index, default="pass")
