"""Policies turn scores and terms into a suggestion.

A policy switches labels on or off. It says which scores, and which levels of terms, lead to a review or a block. All of
this can differ by room type, and the thresholds also by language.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

import msgspec
from pydantic import Field

from pipeline.base.user_files import StrictModel, UserFileError, configs_folder, is_path, read_user_file
from pipeline.contract.messages import Mark, SoundKind, Suggestion
from pipeline.judge.labels import SEVERITIES, Labels, Severity
from pipeline.settings import LanguageCode

V = TypeVar("V")
Share = Annotated[float, Field(ge=0, le=1)]
Limit = Share | Literal["never"]

MAX_CACHED = 1024
"""Apps choose the names of room types, so the cache needs a limit."""

NEVER = math.inf
"""A threshold that no score reaches."""

SOUNDS: tuple[SoundKind, ...] = get_args(SoundKind)
"""A sound is reviewed if no rule of the policy names a limit for its kind."""
BANNED: frozenset[SoundKind] = frozenset({"recording"})
"""The kinds that people have banned. Only these may be blocked or have a label. Other sounds prove nothing alone."""

AUDIO_CLASSIFIER_REVIEW = 0.9
"""The score from which a label of the second ear is reviewed if no rule of the policy names a limit."""

READER_LIMIT = 0.7
"""The second reader's score that leads to a review, if no rule of the policy names one."""

MAX_COOLDOWN_SECONDS = 600.0
"""A longer cool-down would almost never lead to a block."""

OTHER = ""
"""The key for a room type or language that the policy does not name."""


class Threshold(StrictModel):
    """Minimum scores (calibrated probabilities) for review and block. An unset one is inherited from the wider rule."""

    review: Limit | None = None
    block: Limit | None = None


class RiskRule(Threshold):
    """Thresholds, and different ones for single languages, by ISO 639-1 code."""

    languages: dict[LanguageCode, Threshold] = Field(default_factory=dict)


class LabelThreshold(Threshold):
    """The thresholds of a label. `act` is the minimum score of speech that is fit for an automatic action."""

    act: Limit | None = None


class LabelRule(LabelThreshold):
    """The rule of one label, and different thresholds for single languages, by ISO 639-1 code."""

    languages: dict[LanguageCode, LabelThreshold] = Field(default_factory=dict)
    enabled: bool | None = None
    reader: Limit | None = None
    """The minimum score of the second reader for review. It never blocks."""
    sources: Literal["any", "both"] | None = None
    """`both`: the words and the second ear must find the label in the same moment. The default is `any`."""
    levels: dict[Severity, Suggestion] = Field(default_factory=dict)


class SoundRule(Threshold):
    """The rule of one kind of sound that the listener recognises."""

    label: str | None = None
    """The label of its flags, if the recording has none of its own. It has no effect on kinds outside of BANNED."""


class AudioClassifierRule(StrictModel):
    """The rules for what the second ear hears."""

    every: Threshold = Threshold()
    """The rule of each label that `labels` does not change."""
    labels: dict[str, Threshold] = Field(default_factory=dict)


class PolicyLayer(StrictModel):
    """The rules for all rooms, or the changes for one room type."""

    every: LabelRule = LabelRule()
    """The rule of each label that `labels` does not change."""
    labels: dict[str, LabelRule] = Field(default_factory=dict)
    risk: RiskRule = RiskRule()
    """The rule for the probability that at least one label applies. It helps if no label reaches its threshold."""
    sounds: dict[SoundKind, SoundRule] = Field(default_factory=dict)
    ear: AudioClassifierRule = AudioClassifierRule()
    review_scale: float | None = Field(None, gt=0, le=10)
    """A factor for the `review` thresholds of labels and of `risk`. Below 1 is stricter."""
    cooldown_seconds: float | None = Field(None, ge=0, le=MAX_COOLDOWN_SECONDS)


class Policy(PolicyLayer):
    """One file of `configs/policies`."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[\w.-]+$")
    about: str = ""
    marks: dict[Mark, Literal["pass", "review"]] = Field(default_factory=dict)
    """The highest suggestion for a text that may be a hallucination of the recogniser; never `block`."""
    room_types: dict[str, PolicyLayer] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScoreLimits:
    """The scores that lead to a review and to a block."""

    review: float
    block: float

    def by_score(self, score: float) -> Suggestion:
        return "block" if score >= self.block else "review" if score >= self.review else "pass"


@dataclass(frozen=True, slots=True)
class LabelLimits(ScoreLimits):
    """The limits of one label, for one room type and one language."""

    levels: Mapping[Severity, Suggestion]
    act: float = NEVER
    """The score from which an app may act without a person."""
    both: bool = False
    """Whether words and second ear must agree."""

    @property
    def mute(self) -> bool:
        """Whether no score and no term of this label has an effect."""
        return self.review > 1 and self.block > 1 and set(self.levels.values()) <= {"pass"}


@dataclass(frozen=True, slots=True)
class SoundLimits(ScoreLimits):
    """The limits of one kind of sound, for one room type."""

    label: str


@dataclass(frozen=True, slots=True)
class ResolvedPolicy:
    """The policy for one room type and one language. `labels` and `ear` do not hold labels that are switched off."""

    labels: Mapping[str, LabelLimits]
    risk: LabelLimits
    marks: Mapping[Mark, Suggestion]
    cooldown_seconds: float
    sounds: Mapping[SoundKind, SoundLimits]
    ear: Mapping[str, SoundLimits]
    """The limits for what the second ear hears, by label."""
    reader: Mapping[str, float]
    """For each label, the score of the second reader that leads to a review."""


class PolicyResolver:
    """A checked policy. `version` is its name with `mark`.

    Without `mark`, it is its name with eight digits of the hash of all files that it depends on.
    """

    def __init__(self, policy: Policy, labels: Labels, rests_on: Iterable[StrictModel] = (), mark: str = "") -> None:
        self.policy = policy
        self.version = f"{policy.name}@{mark or digest([policy, labels, *rests_on])}"
        self._known = tuple(labels.labels)
        # A cache for each policy: a cache of the class would keep old policies in memory.
        self.resolved = lru_cache(MAX_CACHED)(self._resolved)

    def need_both(self) -> list[str]:
        """The labels that need words and second ear in rooms of some type."""
        rules = [self.resolved(room_type, OTHER).labels for room_type in (OTHER, *self.policy.room_types)]
        return [label for label in self._known if any(label in each and each[label].both for each in rules)]

    def _resolved(self, room_type: str, language: str) -> ResolvedPolicy:
        """For a room type and a language. A room type that the policy does not name gets the rules for all rooms."""
        # The narrower layer comes last: the last value that is set wins.
        layers = [self.policy, *filter(None, [self.policy.room_types.get(room_type)])]
        scale = _set([layer.review_scale for layer in layers], 1.0)
        labels = {label: _limits(layers, label, language, scale) for label in self._known if _enabled(layers, label)}
        risk = _merged(_thresholds([layer.risk for layer in layers], language), {}, scale)
        cooldown = _set([layer.cooldown_seconds for layer in layers], 0.0)
        sounds = {kind: _sound_limits(layers, kind) for kind in SOUNDS}
        ear = {label: _audio_classifier_limits(layers, label) for label in labels}
        reader = {label: _reader_limit(layers, label) for label in labels}
        return ResolvedPolicy(labels, risk, self.policy.marks, cooldown, sounds, ear, reader)


def load_policy(name: str, labels: Labels, rests_on: Iterable[StrictModel] = ()) -> PolicyResolver:
    """Read and check a policy by name or path; raises ConfigError, which names file and key."""
    path = policy_path(name)
    return checked_policy(read_user_file(path, Policy), str(path), labels, rests_on)


def checked_policy(
    policy: Policy, name: str, labels: Labels, rests_on: Iterable[StrictModel] = (), mark: str = ""
) -> PolicyResolver:
    """Check a policy against the labels. Raises UserFileError, which has the `name` of its file."""
    layers: dict[str, PolicyLayer] = {"": policy} | {
        f"room_types.{kind}.": layer for kind, layer in policy.room_types.items()
    }
    for where, layer in layers.items():
        for label in layer.labels:
            labels.check([label], f"{name}: {where}labels", (*where.split(".")[:-1], "labels", label))
        for label in layer.ear.labels:
            labels.check([label], f"{name}: {where}ear.labels", (*where.split(".")[:-1], "ear", "labels", label))
        for kind, rule in layer.sounds.items():
            key = (*where.split(".")[:-1], "sounds", kind, "label")
            labels.check([rule.label] if rule.label else [], f"{name}: {where}sounds.{kind}.label", key)
            _check_block(kind, rule, f"{name}: {where}sounds.{kind}.block", (*key[:-1], "block"))
    resolver = PolicyResolver(policy, labels, rests_on, mark)
    # Rules inherit from each other, so some contradictions only show in the result of a combination.
    languages = sorted(_languages(layers.values()))  # once: a policy may have thousands of room types
    for room_type in (OTHER, *policy.room_types):
        for language in languages:
            where = f"{name} ({room_type or 'default'} rooms, {language or 'other languages'})"
            _check(resolver.resolved(room_type, language), where, room_type, language)
    return resolver


def combinations(policy: Policy) -> int:
    """How many pairs of a room type and a language the check of a policy looks at."""
    return (1 + len(policy.room_types)) * len(_languages([policy, *policy.room_types.values()]))


def policy_path(name: str) -> Path:
    """The file for `name`: a path, or the name of a file in `configs/policies`."""
    return Path(name) if is_path(name) else configs_folder() / "policies" / f"{name}.yaml"


def digest(files: Iterable[StrictModel]) -> str:
    """Eight hexadecimal digits of the SHA-256 of the files' contents, without comments and the order of keys."""
    content = msgspec.json.encode([file.model_dump(mode="json") for file in files], order="deterministic")
    return hashlib.sha256(content).hexdigest()[:8]


def _languages(layers: Iterable[PolicyLayer]) -> set[str]:
    named = {OTHER}
    for layer in layers:
        named.update(layer.risk.languages)
        for rule in (layer.every, *layer.labels.values()):
            named.update(rule.languages)
    return named


def _check(policy: ResolvedPolicy, where: str, room_type: str, language: str) -> None:
    top = ("room_types", room_type) if room_type else ()
    rules: dict[tuple[str, ...], ScoreLimits] = {
        **{("labels", label): limits for label, limits in policy.labels.items()},
        ("risk",): policy.risk,
        **{("sounds", kind): limits for kind, limits in policy.sounds.items()},
        **{("ear", "labels", label): limits for label, limits in policy.ear.items()},
    }
    for place, rule in rules.items():
        key, label = (*top, *place), place[-1]
        about = f"second ear: {label}" if place[0] == "ear" else label
        told = {"label": label, "review": f"{rule.review:g}", "block": f"{rule.block:g}", "language": language}
        if 1 < rule.review < NEVER:
            raise UserFileError(
                f"{where}: {about}: review at {rule.review:g}, with review_scale, is above every score",
                "Lower review_scale, or write `review: never`.",
                "above_every_score",
                key,
                **told,
            )
        if rule.block < rule.review < NEVER:
            raise UserFileError(
                f"{where}: {about}: block at {rule.block} is below review at {rule.review}",
                "Block needs a higher score than review.",
                "block_below_review",
                key,
                **told,
            )
    for label, limits in policy.labels.items():
        if limits.act < min(limits.review, limits.block) < NEVER:  # nobody would see what the app does
            least = min(limits.review, limits.block)
            raise UserFileError(
                f"{where}: {label}: act at {limits.act} is below review at {least}",
                "Act needs a score that is also reviewed.",
                "act_below_review",
                (*top, "labels", label),
                label=label,
                act=f"{limits.act:g}",
                review=f"{least:g}",
                language=language,
            )
    if not policy.labels or all(rule.mute for rule in (policy.risk, *policy.labels.values())):
        raise UserFileError(
            f"{where}: no label has an effect", "Switch a label on, and give it a score or a level.", "no_effect", top
        )


def _check_block(kind: SoundKind, rule: SoundRule, where: str, key: tuple[str, ...]) -> None:
    if kind not in BANNED and rule.block not in {None, "never"}:
        raise UserFileError(
            f"{where}: {kind} is never blocked", "Write only `review`.", "only_reviewed", key, sound=kind
        )


def _limits(layers: list[PolicyLayer], label: str, language: str, scale: float) -> LabelLimits:
    """Narrow rules win: room type over all rooms, a label over every label, a language over all languages."""
    steps = _steps(layers, label)
    levels: dict[Severity, Suggestion] = dict.fromkeys(SEVERITIES, "pass")
    for step in steps:
        levels |= step.levels
    thresholds = [each for step in steps for each in (step, step.languages.get(language)) if each]
    act = _last(threshold.act for threshold in thresholds)
    return replace(_merged(thresholds, levels, scale), act=act, both=_both(layers, label))


def _sound_limits(layers: list[PolicyLayer], kind: SoundKind) -> SoundLimits:
    rules = [rule for layer in layers if (rule := layer.sounds.get(kind))]
    limits = _merged([Threshold(review=0), *rules], {}, 1.0)  # by default any score leads to a review
    # Policies that are already published may label other kinds, so `rule_warnings` tells it, and no error does.
    return SoundLimits(limits.review, limits.block, _set([rule.label for rule in rules], "") if kind in BANNED else "")


def _audio_classifier_limits(layers: list[PolicyLayer], label: str) -> SoundLimits:
    """Narrow rules win: room type over all rooms, a label over every label."""
    rules = [rule for layer in layers for rule in (layer.ear.every, layer.ear.labels.get(label)) if rule]
    limits = _merged([Threshold(review=AUDIO_CLASSIFIER_REVIEW), *rules], {}, 1.0)
    return SoundLimits(limits.review, limits.block, label)


def _reader_limit(layers: list[PolicyLayer], label: str) -> float:
    """The score of the second reader that leads to a review."""
    if _both(layers, label):  # the reader knows only words, and this label needs the second ear, too
        return NEVER
    return _last([READER_LIMIT, *(step.reader for step in _steps(layers, label))])


def _both(layers: list[PolicyLayer], label: str) -> bool:
    return _set([step.sources for step in _steps(layers, label)], "any") == "both"


def _steps(layers: list[PolicyLayer], label: str) -> list[LabelRule]:
    """All rules for a label, from the widest to the narrowest."""
    return [step for layer in layers for step in (layer.every, layer.labels.get(label)) if step]


def _thresholds(steps: Sequence[RiskRule], language: str) -> list[Threshold]:
    return [threshold for step in steps for threshold in (step, step.languages.get(language)) if threshold]


def _merged(thresholds: Sequence[Threshold], levels: Mapping[Severity, Suggestion], scale: float) -> LabelLimits:
    review = _last(threshold.review for threshold in thresholds)
    block = _last(threshold.block for threshold in thresholds)
    return LabelLimits(review * scale, block, levels)


def _last(limits: Iterable[Limit | None]) -> float:
    found: list[Limit] = ["never", *(limit for limit in limits if limit is not None)]
    return NEVER if found[-1] == "never" else float(found[-1])


def _enabled(layers: list[PolicyLayer], label: str) -> bool:
    return _set([step.enabled for step in _steps(layers, label)], True)


def _set(values: Iterable[V | None], default: V) -> V:
    """The value of the narrowest rule that sets it, or `default`."""
    return [default, *(value for value in values if value is not None)][-1]
