"""The counts of all speech that a store must have."""

from collections.abc import Iterator

from benchmarks.assessment.facts import WorldHistory, WorldSpeech
from benchmarks.assessment.truth.speech import CLASSES

Cell = tuple[int, str, str, str, str, str, str, str]
"""Hour, measure, bucket, type of room, language, label, policy, model."""
Counts = dict[Cell, tuple[int, int]]
"""Number of utterances, and their 16 kHz samples."""


def tallies(history: WorldHistory) -> Counts:
    """Return all counts that are not 0. Each utterance counts once, however often its messages arrived."""
    counts: Counts = {}
    known: set[tuple[object, ...]] = set()
    for one in history.arrived:
        if one.drill:
            continue
        for cell, samples in (*_states(one), *_verdicts(one), *_firsts(one, known)):
            n, total = counts.get(cell, (0, 0))
            counts[cell] = n + 1, total + samples
    return counts


def _states(one: WorldSpeech) -> Iterator[tuple[Cell, int]]:
    yield (one.hour, "segmented", "", one.room_type, "", "", "", ""), one.samples
    state, reason = one.told
    if state != "segmented" and not one.monitored:
        yield (one.hour, state, reason, one.room_type, "", "", "", ""), one.samples


def _verdicts(one: WorldSpeech) -> Iterator[tuple[Cell, int]]:
    if one.stored is None:
        return
    hour, kind, samples, versions = one.hour, one.room_type, one.samples, (one.policy, one.model)
    verified = {True: "yes", False: "no", None: "unknown"}[one.verified]
    tenth = f"{int(one.confidence * 10) / 10:.1f}"
    yield (hour, "monitored", "", kind, one.language, "", "", ""), samples
    yield (hour, "confidence", tenth, kind, one.language, "", "", ""), samples
    yield (hour, "identity", verified, kind, "", "", "", ""), samples
    yield (hour, "judged", one.suggestion, kind, one.language, "", *versions), samples
    for mark in one.marks:
        yield (hour, "marked", mark, kind, one.language, "", "", ""), samples
    for label in one.flagged:
        yield (hour, "flagged", one.suggestion, kind, one.language, label, *versions), samples
    if one.listeners is not None:
        yield (hour, "listened", "", kind, "", "", "", ""), samples * one.listeners
    if one.suggestion != "pass":
        limit = next(f"{limit:g}" for limit in CLASSES if one.stored - one.end <= limit)
        yield (hour, "delay", limit, kind, one.language, "", *versions), samples


def _firsts(one: WorldSpeech, known: set[tuple[object, ...]]) -> Iterator[tuple[Cell, int]]:
    """Yield the speaker's first speech of the day, and the room's first speech of the hour."""
    day = one.hour // 24 * 24
    cells: dict[tuple[object, ...], Cell] = {
        ("speaker", day, one.speaker): (day, "speakers", "", "", "", "", "", ""),
        ("room", one.hour, one.room): (one.hour, "rooms", "", one.room_type, "", "", "", ""),
    }
    for name, cell in cells.items():
        if name not in known:
            known.add(name)
            yield cell, one.samples
