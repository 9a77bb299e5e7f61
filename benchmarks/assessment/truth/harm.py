"""How many people heard violating speech, and how far it spread: I-24 and I-25."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from benchmarks.assessment.facts import CaseFact, WorldSpeech
from benchmarks.assessment.truth.figures import Split, TrueFigures, over, parts, true
from benchmarks.assessment.truth.seen import SeenWindow
from benchmarks.assessment.truth.waits import ROUNDING

ROOM, SPEAKER = 3, 4


class SimulatedUse(NamedTuple):
    """One use of a term."""

    label: str
    term: str
    at: float
    room: str
    speaker: str


def exposure(seen: SeenWindow) -> TrueFigures:
    """I-24. Utterances without a number of listeners are missing."""
    monitored = seen.monitored
    names = {"label": lambda each: each[0].label, "room_type": lambda each: each[0].room_type}
    for part, found in parts(_violating(seen), **names):
        kind = dict(part).get("room_type")
        heard = [(case, one) for case, one in found if one.listeners is not None]
        samples = sum(one.samples * (one.listeners or 0) for one in monitored if kind in {None, one.room_type})
        exposed = sum((_exposed(case, one, seen.until) for case, one in heard), Fraction())
        rate = over(exposed * 1_000, Fraction(samples, 16_000 * 3_600)) if heard else None
        whole = len(heard) == len(found)
        yield true("I-24", "listener_seconds", exposed if heard else None, len(heard), part, whole=whole)
        yield true("I-24", "per_1000_hours", rate, len(heard), part, whole=whole)


def _violating(seen: SeenWindow) -> list[tuple[CaseFact, WorldSpeech]]:
    """Return the caught utterances of the cases of the window that are upheld at its end."""
    upheld = [case for case in seen.cases("flagged") if case.upheld(seen.until)]
    return [(case, one) for case in upheld for one in case.flags if one.suggestion != "pass"]


def _exposed(case: CaseFact, speech: WorldSpeech, until: float) -> Fraction:
    """Return listener seconds from the end of an utterance to the action, in whole milliseconds."""
    upholding = [one for one in case.standing(until) if one.verdict == "uphold"]
    done = [at for one in upholding if (at := one.done(until)) is not None]
    ordered = any(one.action for one in upholding)
    waiting = until if ordered else min(one.at for one in upholding)
    seconds = (min(done) if done else waiting) - speech.end
    milliseconds = math.ceil(seconds * 1_000 - ROUNDING) if seconds > 0 else 0
    return Fraction((speech.listeners or 0) * milliseconds, 1_000)


def spread(seen: SeenWindow) -> TrueFigures:
    """I-25."""
    uses = {
        SimulatedUse(label, term.casefold(), one.start, one.room, one.speaker)
        for _, one in _violating(seen)
        for term, label in one.terms
        if label in seen.rules.illegal
    }
    for part, found in parts(list(_chains(sorted(uses), seen.rules.spread)), label=lambda chain: chain[0].label):
        yield from _spread(seen, found, part)


def _chains(uses: Sequence[SimulatedUse], longest: float) -> Iterator[list[SimulatedUse]]:
    for _, of_term in groupby(uses, key=lambda use: use[:2]):
        chain: list[SimulatedUse] = []
        for use in of_term:
            if chain and use.at - chain[-1].at > longest:
                yield chain
                chain = []
            chain.append(use)
        yield chain


def _spread(seen: SeenWindow, chains: Sequence[list[SimulatedUse]], part: Split) -> TrueFigures:
    n, rules = sum(map(len, chains)), seen.rules
    rooms, speakers = ([_most(chain, place, rules.spread) for chain in chains] for place in (ROOM, SPEAKER))
    wide = [
        chain
        for chain, room, speaker in zip(chains, rooms, speakers, strict=True)
        if room >= rules.spread_rooms or speaker >= rules.spread_speakers
    ]
    yield true("I-25", "clusters", len(wide) if n else None, n, part)
    yield true("I-25", "rooms", max(rooms, default=None), n, part)
    yield true("I-25", "speakers", max(speakers, default=None), n, part)
    yield true("I-25", "longest", max((chain[-1].at - chain[0].at for chain in wide), default=None), n, part)


def _most(chain: Sequence[SimulatedUse], place: int, seconds: float) -> int:
    """Return the most different rooms or speakers within the set time."""
    return max(len({use[place] for use in chain if first.at <= use.at <= first.at + seconds}) for first in chain)
