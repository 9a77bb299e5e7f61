"""Policies: which labels count, from which score on, and what a term's level leads to, by room type and language."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from pydantic import Field

from pipeline.configuration import configs_folder
from pipeline.errors import ConfigError
from pipeline.judge.labels import SEVERITIES, Labels, Severity
from pipeline.messages import Mark, Suggestion
from pipeline.settings import LanguageCode
from pipeline.sheets import Sheet, is_path, read

V = TypeVar("V")
Share = Annotated[float, Field(ge=0, le=1)]
Limit = Share | Literal["never"]

MAX_CACHED = 1024
"""Room types are named by apps: they must not fill the memory."""

NEVER = math.inf
"""A threshold that no score reaches."""

MAX_COOLDOWN_SECONDS = 600.0
"""A longer cool-down would block hardly anybody."""

OTHER = ""
"""A room type or language that the policy does not name."""


class Threshold(Sheet):
    """Scores (calibrated probabilities) from which on to review or block; unset: as the wider rule has."""

    review: Limit | None = None
    block: Limit | None = None


class RiskRule(Threshold):
    """Thresholds, and what differs in single languages, by ISO 639-1 code."""

    languages: dict[LanguageCode, Threshold] = Field(default_factory=dict)


class LabelRule(RiskRule):
    """What is special of one label."""

    enabled: bool | None = None
    levels: dict[Severity, Suggestion] = Field(default_factory=dict)


class PolicyLayer(Sheet):
    """ResolvedPolicy for all rooms, or what a room type changes of them."""

    every: LabelRule = LabelRule()
    """For each label, unless `labels` says otherwise."""
    labels: dict[str, LabelRule] = Field(default_factory=dict)
    risk: RiskRule = RiskRule()
    """For the probability that any label applies, where no label is sure enough by itself."""
    review_scale: float | None = Field(None, gt=0, le=10)
    """What every `review` score is multiplied by: below 1 is stricter."""
    cooldown_seconds: float | None = Field(None, ge=0, le=MAX_COOLDOWN_SECONDS)


class Policy(PolicyLayer):
    """One file of `configs/policies`."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[\w.-]+$")
    about: str = ""
    marks: dict[Mark, Literal["pass", "review"]] = Field(default_factory=dict)
    """The most that is suggested for a text that the recogniser may have invented; never `block`."""
    room_types: dict[str, PolicyLayer] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelLimits:
    """What holds for one label in one kind of room and one language."""

    review: float
    block: float
    levels: Mapping[Severity, Suggestion]

    @property
    def mute(self) -> bool:
        """Whether neither a score nor a term leads to anything."""
        return self.review > 1 and self.block > 1 and set(self.levels.values()) <= {"pass"}

    def by_score(self, score: float) -> Suggestion:
        return "block" if score >= self.block else "review" if score >= self.review else "pass"


@dataclass(frozen=True, slots=True)
class ResolvedPolicy:
    """The policy for one room type and one language. Labels that are off are not in `labels`."""

    labels: Mapping[str, LabelLimits]
    risk: LabelLimits
    marks: Mapping[Mark, Suggestion]
    cooldown_seconds: float


class PolicyResolver:
    """A checked policy, to be resolved. `version` is its name with eight digits of the hash of all that it rests on."""

    def __init__(self, policy: Policy, labels: Labels, rests_on: Iterable[Sheet] = ()) -> None:
        self.policy = policy
        self.version = f"{policy.name}@{digest([policy, labels, *rests_on])}"
        self._known = tuple(labels.labels)
        self.resolved = lru_cache(MAX_CACHED)(self._resolved)

    def _resolved(self, room_type: str, language: str) -> ResolvedPolicy:
        """For a room type and a language. A room type that the policy does not name is treated as any room."""
        layers = [self.policy, *filter(None, [self.policy.room_types.get(room_type)])]
        scale = _set([layer.review_scale for layer in layers], 1.0)
        labels = {label: _limits(layers, label, language, scale) for label in self._known if _enabled(layers, label)}
        risk = _merged(_thresholds([layer.risk for layer in layers], language), {}, scale)
        return ResolvedPolicy(labels, risk, self.policy.marks, _set([layer.cooldown_seconds for layer in layers], 0.0))


def load(name: str, labels: Labels, rests_on: Iterable[Sheet] = ()) -> PolicyResolver:
    """Read and check a policy by name or path; raises ConfigError, which names file and key."""
    path = _path(name)
    policy = read(path, Policy)
    layers: dict[str, PolicyLayer] = {"": policy} | {
        f"room_types.{kind}.": layer for kind, layer in policy.room_types.items()
    }
    for where, layer in layers.items():
        labels.check(layer.labels, f"{path}: {where}labels")
    resolver = PolicyResolver(policy, labels, rests_on)
    for room_type in (OTHER, *policy.room_types):
        for language in sorted(_languages(layers.values())):
            where = f"{path} ({room_type or 'default'} rooms, {language or 'other languages'})"
            _check(resolver.resolved(room_type, language), where)
    return resolver


def _path(name: str) -> Path:
    """The file for `name`: a path, or the name of a file in `configs/policies`."""
    return Path(name) if is_path(name) else configs_folder() / "policies" / f"{name}.yaml"


def digest(sheets: Iterable[Sheet]) -> str:
    """Eight hexadecimal digits of the SHA-256 of the sheets' contents; comments and order of keys do not count."""
    content = msgspec.json.encode([sheet.model_dump(mode="json") for sheet in sheets], order="deterministic")
    return hashlib.sha256(content).hexdigest()[:8]


def _languages(layers: Iterable[PolicyLayer]) -> set[str]:
    rules = [rule for layer in layers for rule in (layer.every, layer.risk, *layer.labels.values())]
    return {OTHER}.union(*(rule.languages for rule in rules))


def _check(policy: ResolvedPolicy, where: str) -> None:
    for label, rule in (*policy.labels.items(), ("risk", policy.risk)):
        if 1 < rule.review < NEVER:
            raise ConfigError(
                f"{where}: {label}: review at {rule.review:g}, by review_scale, is above every score",
                "Lower review_scale, or write `review: never`.",
            )
        if rule.block < rule.review < NEVER:
            raise ConfigError(
                f"{where}: {label}: block at {rule.block} is below review at {rule.review}",
                "Block needs the higher score.",
            )
    if not policy.labels or all(rule.mute for rule in (policy.risk, *policy.labels.values())):
        raise ConfigError(f"{where}: no label leads to anything", "Switch one on, and give it a score or a level.")


def _limits(layers: list[PolicyLayer], label: str, language: str, scale: float) -> LabelLimits:
    """A room type's rules go before those of all rooms, a label's before every label's, a language's before all."""
    steps = _steps(layers, label)
    levels: dict[Severity, Suggestion] = dict.fromkeys(SEVERITIES, "pass")
    for step in steps:
        levels |= step.levels
    return _merged(_thresholds(steps, language), levels, scale)


def _steps(layers: list[PolicyLayer], label: str) -> list[LabelRule]:
    """What is said of a label, from the widest to the narrowest."""
    return [step for layer in layers for step in (layer.every, layer.labels.get(label)) if step]


def _thresholds(steps: Sequence[RiskRule], language: str) -> list[Threshold]:
    return [threshold for step in steps for threshold in (step, step.languages.get(language)) if threshold]


def _merged(thresholds: Sequence[Threshold], levels: Mapping[Severity, Suggestion], scale: float) -> LabelLimits:
    review = _last(threshold.review for threshold in thresholds)
    block = _last(threshold.block for threshold in thresholds)
    return LabelLimits(review if review == NEVER else review * scale, block, levels)


def _last(limits: Iterable[Limit | None]) -> float:
    found: list[Limit] = ["never", *(limit for limit in limits if limit is not None)]
    return NEVER if found[-1] == "never" else float(found[-1])


def _enabled(layers: list[PolicyLayer], label: str) -> bool:
    return _set([step.enabled for step in _steps(layers, label)], True)


def _set(values: Iterable[V | None], default: V) -> V:
    """The narrowest value that is set."""
    return [default, *(value for value in values if value is not None)][-1]
