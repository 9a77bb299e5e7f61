"""Labels that can never be flagged: they need words and second ear (`sources: both`), but no second ear hears them."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.judge import mapping
from pipeline.judge.policy import NEVER, OTHER, PolicyResolver
from pipeline.settings import ListenSettings

Cause = Literal["no_ear", "ear_without_label", "ear_never"]


@dataclass(frozen=True, slots=True)
class Unheard:
    """A label that is never flagged in rooms of a type; in all rooms if that is empty."""

    label: str
    room_type: str
    cause: Cause


def unheard(policy: PolicyResolver, listen: ListenSettings) -> list[Unheard]:
    """Return the labels that need the second ear although it cannot hear them.

    Those of all rooms are not named again for a room type.

    Raises ConfigError if `listen.ear_label_map` cannot be read.
    """
    needed = policy.need_both()
    known: Container[str] = needed if listen.ear else ()
    if needed and listen.ear and listen.ear_label_map:
        known = mapping.named(listen.ear_label_map, "listen.ear_label_map")
    everywhere = list(_in_rooms(OTHER, policy, listen, known))
    said = {(each.label, each.cause) for each in everywhere}
    others = (each for kind in policy.policy.room_types for each in _in_rooms(kind, policy, listen, known))
    return [*everywhere, *(each for each in others if (each.label, each.cause) not in said)]


def _in_rooms(
    room_type: str, policy: PolicyResolver, listen: ListenSettings, known: Container[str]
) -> Iterator[Unheard]:
    rules = policy.resolved(room_type, OTHER)
    for label, limits in rules.labels.items():
        if not limits.both:
            continue
        if listen.ear is None:
            yield Unheard(label, room_type, "no_ear")
        elif label not in known:
            yield Unheard(label, room_type, "ear_without_label")
        elif rules.ear[label].review == rules.ear[label].block == NEVER:
            yield Unheard(label, room_type, "ear_never")
