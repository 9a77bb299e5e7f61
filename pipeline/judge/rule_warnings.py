"""Finds settings and rules that are allowed but may leave speech without moderation, for `voxwarden config check`.

One of them is a label that can never be flagged: it needs words and second ear (`sources: both`), but no second ear
hears it.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from pipeline.contract.messages import Mark
from pipeline.judge import lexicon, model_outputs
from pipeline.judge.judge_stage import JudgeConfig
from pipeline.judge.moderation_policy import BANNED, NEVER, OTHER, Policy, PolicyLayer, PolicyResolver
from pipeline.settings import ListenSettings, Settings
from pipeline.speech import languages

Cause = Literal["no_ear", "ear_without_label", "ear_never"]
INVENTED: tuple[Mark, ...] = ("no_speech", "repetition", "low_confidence")
"""Marks that real speech also gets, in noise or if somebody mumbles."""
ALWAYS_KNOWN = ("default", "other")
"""Room types without rules of their own: speech without a type, and in the overload settings all other types."""
WHY: Mapping[Cause, str] = {
    "no_ear": "listen.ear is not set",
    "ear_without_label": "listen.ear_label_map does not name it",
    "ear_never": "its limit in `ear` is never",
}


@dataclass(frozen=True, slots=True)
class UnheardLabel:
    """A label that is never flagged in rooms of a type; in all rooms if that is empty."""

    label: str
    room_type: str
    cause: Cause


def find_warnings(settings: Settings, config: JudgeConfig) -> Iterator[str]:
    """Yield one line for each setting or rule that may be a mistake, as described above."""
    yield from _languages(settings)
    for mark in INVENTED:
        if config.policy.policy.marks.get(mark) == "pass":
            yield f"the policy: marks.{mark} is pass, so speech with that mark passes unless a term is in it."
    for kind in settings.overload.room_types:
        if settings.overload.enabled and kind.share == 0:
            yield f"overload.room_types: the share of {kind.name} is 0, so overload skips all of its speech."
        if warning := unknown_room_type(config.policy.policy, kind.name):
            yield f"overload.room_types: {warning}"
    for closed in settings.gateway.closed_room_types:
        if warning := unknown_room_type(config.policy.policy, closed):
            yield f"gateway.closed_room_types: {warning}"
    yield from _audio_classifier(settings, config.policy)
    for key in labels_without_effect(config.policy.policy):
        yield f"the policy: {'.'.join(key)} has no effect: a sound alone does not accuse a speaker."
    for label in settings.retention.labels:
        if label not in config.labels.labels:
            yield f"retention.labels: there is no label {label}.{_near(label, config.labels.labels)}"


def unknown_room_type(policy: Policy, room_type: str) -> str | None:
    """A warning about a room type without rules of its own; None if it has rules."""
    if room_type in policy.room_types or room_type in ALWAYS_KNOWN:
        return None
    return (
        f"the policy {policy.name} has no rules for the room type {room_type}, so the rules for all rooms apply."
        f"{_near(room_type, policy.room_types)}"
    )


def labels_without_effect(policy: Policy) -> Iterator[tuple[str, ...]]:
    """Yield the keys of the labels of sounds that nobody has banned."""
    layers: list[tuple[tuple[str, ...], PolicyLayer]] = [((), policy)]
    layers += [(("room_types", name), layer) for name, layer in policy.room_types.items()]
    for top, layer in layers:
        labelled = (kind for kind, rule in layer.sounds.items() if rule.label and kind not in BANNED)
        yield from ((*top, "sounds", kind, "label") for kind in labelled)


def _audio_classifier(settings: Settings, policy: PolicyResolver) -> Iterator[str]:
    """Rules for the second ear that have no effect, because the listen stage does not send its scores."""
    listen = settings.listen
    for each in unheard_labels(policy, listen):
        where = f"room_types.{each.room_type}: " if each.room_type else ""
        why = WHY[each.cause]
        yield f"the policy: {where}{each.label} needs words and second ear, but {why}. So it is never flagged."
    if listen.ear is None:
        return
    layers = [policy.resolved(room_type, OTHER).ear.values() for room_type in (OTHER, *policy.policy.room_types)]
    lowest = min((min(limits.review, limits.block) for layer in layers for limits in layer), default=NEVER)
    if lowest < listen.ear_floor:
        yield (
            f"listen.ear_floor is {listen.ear_floor:g}, so scores of the second ear from {lowest:g} on, "
            "which the policy reviews, are not sent."
        )


def unheard_labels(policy: PolicyResolver, listen: ListenSettings) -> list[UnheardLabel]:
    """Return the labels that need the second ear although it cannot hear them.

    A label that the rules for all rooms make unheard is not named again for a room type.

    Raises ConfigError if `listen.ear_label_map` cannot be read.
    """
    needed = policy.need_both()
    known: Container[str] = needed if listen.ear else ()  # without a map, the model has our labels
    if needed and listen.ear and listen.ear_label_map:
        known = model_outputs.named(listen.ear_label_map, "listen.ear_label_map")
    everywhere = list(_in_rooms(OTHER, policy, listen, known))
    said = {(each.label, each.cause) for each in everywhere}
    others = (each for kind in policy.policy.room_types for each in _in_rooms(kind, policy, listen, known))
    return [*everywhere, *(each for each in others if (each.label, each.cause) not in said)]


def _in_rooms(
    room_type: str, policy: PolicyResolver, listen: ListenSettings, known: Container[str]
) -> Iterator[UnheardLabel]:
    rules = policy.resolved(room_type, OTHER)  # `sources` does not differ by language
    for label, limits in rules.labels.items():
        if not limits.both:
            continue
        if listen.ear is None:
            yield UnheardLabel(label, room_type, "no_ear")
        elif label not in known:
            yield UnheardLabel(label, room_type, "ear_without_label")
        elif rules.ear[label].review == rules.ear[label].block == NEVER:
            yield UnheardLabel(label, room_type, "ear_never")


def _languages(settings: Settings) -> Iterator[str]:
    judge, asr = settings.judge, settings.asr
    if not judge.lexicons:
        yield "judge.lexicons is empty, so no terms are matched and the classifier judges alone."
    yield from _unused_lexicons(judge.lexicons)
    judged = lexicon.judged_languages(judge)
    for language in (asr.language,) if asr.language else asr.languages:
        if language not in judged:
            yield (
                f"asr: {language} is transcribed, but barely judged: judge.lexicons has no lexicon for {language}, "
                f"and the classifier does not know it either."
            )


def _unused_lexicons(names: Sequence[str]) -> Iterator[str]:
    """The user's own lexicons that the settings do not name."""
    for code in languages.known():
        path = languages.own_folder() / code / lexicon.FILE
        if path.is_file() and code not in names and str(path) not in names:
            yield f"{path} is not used: judge.lexicons does not name {code}."


def _near(name: str, known: Iterable[str]) -> str:
    found = get_close_matches(name, list(known), 1)
    return f" Did you mean {found[0]}?" if found else ""
