"""Writes new review thresholds into the text of a policy. Everything else stays as it is, comments too."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import yaml

from pipeline.base.errors import ConfigError
from pipeline.judge.moderation_policy import LabelLimits, PolicyResolver
from pipeline.learning.training_rows import RISK

Key = tuple[str, ...]
FITTED = "# Fitted by "
"""How the comment begins that says where the thresholds come from."""
HEAD = re.compile(r"(?:#.*\n)*")


@dataclass(frozen=True, slots=True)
class NewLimit:
    """The review threshold of a label, or of `risk`."""

    room_type: str
    """Empty: all room types that the policy does not name."""
    language: str
    rule: str
    review: float


@dataclass(frozen=True, slots=True)
class _Value:
    """The place of a value in the text."""

    start: int
    end: int
    before: str
    """What stands between it and another key after it."""


def with_limits(text: str, policy: PolicyResolver, limits: Iterable[NewLimit]) -> str:
    """Return the text of `policy` with these thresholds, where it states one for the language, or for all languages.

    If several languages share a place, the highest counts. A threshold for blocks rises to that for reviews if it would
    be below it. Raises ConfigError if the policy states no threshold of the rule.
    """
    values = _values(text)
    reviews: dict[Key, float] = {}
    blocks: dict[Key, float] = {}
    for limit in limits:
        place = _place(values, limit)
        key = (*place, "review")
        reviews[key] = max(limit.review, reviews.get(key, 0.0))
        if _present(policy, limit).block < reviews[key]:
            blocks[(*place, "block")] = reviews[key]
    changed = {(values[key].start, values[key].end): f"{value:g}" for key, value in reviews.items()}
    for key, value in blocks.items():
        if key in values:
            changed[values[key].start, values[key].end] = f"{value:g}"
        else:
            review = values[(*key[:-1], "review")]
            changed[review.start, review.end] += f"{review.before}block: {value:g}"
    for (start, end), written in sorted(changed.items(), reverse=True):
        text = text[:start] + written + text[end:]
    return text


def with_origin(text: str, origin: str) -> str:
    """Return the text with a comment at the top that says how its thresholds were fitted."""
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(FITTED))
    head = HEAD.match(text)
    end = head.end() if head else 0
    return f"{text[:end]}{FITTED}{origin}\n{text[end:]}"


def _place(values: Mapping[Key, _Value], limit: NewLimit) -> Key:
    top = ("room_types", limit.room_type) if limit.room_type else ()
    rule = (*top, RISK) if limit.rule == RISK else (*top, "labels", limit.rule)
    for place in ((*rule, "languages", limit.language), rule):
        if (*place, "review") in values:
            return place
    raise ConfigError(f"The policy has no {'.'.join(rule)}.review", "Write one. This command will replace it.")


def _present(policy: PolicyResolver, limit: NewLimit) -> LabelLimits:
    resolved = policy.resolved(limit.room_type, limit.language)
    return resolved.risk if limit.rule == RISK else resolved.labels[limit.rule]


def _values(text: str) -> dict[Key, _Value]:
    """The place of each single value."""
    found: dict[Key, _Value] = {}
    waiting: list[tuple[Key, yaml.Node | None]] = [((), yaml.compose(text, Loader=yaml.SafeLoader))]
    while waiting:
        key, node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            before = ", " if node.flow_style else "\n" + " " * node.start_mark.column
            for name, value in node.value:
                found[(*key, name.value)] = _Value(value.start_mark.index, value.end_mark.index, before)
                waiting.append(((*key, name.value), value))
    return found
