"""How right the machine and the moderators are: I-09 to I-11, I-14, I-15 and I-26."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from benchmarks.assessment.facts import DAY, Appealed, CaseFact, Given, WorldSpeech
from benchmarks.assessment.truth import intervals
from benchmarks.assessment.truth.figures import Split, TrueFigures, attribute, by, over, parts, share, true
from benchmarks.assessment.truth.intervals import Weighted, turned, weighted_share
from benchmarks.assessment.truth.seen import SeenWindow, SimulatedAction

OF_CASES = {name: attribute(name) for name in ("label", "language", "room_type", "policy")}
NEAR = 60.0
AGAIN = 30 * DAY


def confirmed(seen: SeenWindow) -> TrueFigures:
    """I-09."""
    flagged = [case for case in seen.real if case.kind == "flagged"]
    cases = [case for case in flagged if any(one.at >= seen.since for one in case.standing(seen.until))]
    for part, found in parts(cases, **OF_CASES):
        yield share("I-09", "share", sum(case.upheld(seen.until) for case in found), len(found), part)


def precision(seen: SeenWindow) -> TrueFigures:
    """I-10."""
    flagged = seen.cases("flagged")
    opinions = [case for case in seen.cases("second") if case.suggestion != "pass"]
    drawn = any(seen.verdict(case) for case in opinions)
    for part, found in parts([*flagged, *opinions], **OF_CASES):
        firsts = [case for case in found if case.kind == "flagged"]
        seconds = [case for case in found if case.kind == "second" and seen.verdict(case)]
        yield from _by_opinions(seen, seconds, len(firsts), part) if drawn else _by_decisions(seen, firsts, part)


def _by_opinions(seen: SeenWindow, opinions: Sequence[CaseFact], flagged: int, part: Split) -> TrueFigures:
    if not opinions:
        yield true("I-10", "share", None, 0, part)
        yield true("I-10", "false_alarms", None, 0, part)
        return
    total = sum((1 / Fraction(str(case.probability)) for case in opinions), Fraction())
    sample = [
        Weighted(max(Fraction(1), flagged / total / Fraction(str(case.probability))), 1, case.upheld(seen.until))
        for case in opinions
    ]
    value, low, high = weighted_share(sample)
    yield true("I-10", "share", value, len(opinions), part, (low, high))
    yield true("I-10", "false_alarms", 1 - value, len(opinions), part, turned((low, high)))


def _by_decisions(seen: SeenWindow, flagged: Sequence[CaseFact], part: Split) -> TrueFigures:
    known = bool(flagged) and all(seen.verdict(case) for case in flagged)
    value = over(sum(case.upheld(seen.until) for case in flagged), len(flagged)) if known else None
    yield true("I-10", "share", value, len(flagged), part)
    yield true("I-10", "false_alarms", None if value is None else 1 - value, len(flagged), part)


def wrong_actions(seen: SeenWindow) -> TrueFigures:
    """I-11."""
    for part, found in parts(list(seen.actions(seen.since)), **of_case(OF_CASES)):
        yield share("I-11", "share", sum(not one.case.upheld(seen.until) for one in found), len(found), part)


def reported(seen: SeenWindow) -> TrueFigures:
    """I-14."""
    cases = [case for case in seen.cases("report") if case.heard and case.upheld(seen.until)]
    for part, found in parts(cases, label=seen.final_label):
        yield share("I-14", "share", sum(caught_near(seen, case) for case in found), len(found), part)


def caught_near(seen: SeenWindow, report: CaseFact) -> bool:
    """Tell whether the machine flagged speech within NEAR of a report's minutes, in its room and by its speaker."""
    flagged = (one for case in seen.real if case.kind == "flagged" for one in (*case.flags, *case.linked))
    return any(_near(report, one) for one in flagged)


def _near(report: CaseFact, speech: WorldSpeech) -> bool:
    said = speech.room == report.room and report.speaker in {"", speech.speaker}
    return said and speech.end >= report.start - NEAR and speech.start <= report.end + NEAR


def agreement(seen: SeenWindow) -> TrueFigures:
    """I-15."""
    pairs, settled = list(_pairs(seen)), list(_settled(seen))
    labels = {case.label for case, *_ in pairs} | {case.label for case, _ in settled}
    for label in ("", *labels - {""}):
        part: Split = (("label", label),) if label else ()
        chosen = [pair for pair in pairs if label in {"", pair[0].label}]
        yield share("I-15", "share", sum(first == second for _, first, second, _ in chosen), len(chosen), part)
        found = intervals.kappa([(first, second) for _, first, second, _ in chosen])
        value, interval = found or (None, None)
        yield true("I-15", "kappa", value, len(chosen), part, interval)
        again = {case.original.id: final != first for case, first, _, final in chosen if final and case.original}
        for case, verdict in settled:
            if label in {"", case.label}:
                again[case.id] = again.get(case.id, False) or verdict == "dismiss"
        yield share("I-15", "reversed", sum(again.values()), len(again), part)


def _pairs(seen: SeenWindow) -> Iterator[tuple[CaseFact, str, str, str | None]]:
    """Yield each second opinion with the first verdict, its own, and the one that two people gave."""
    thirds = {case.original.id: case for case in seen.cases("third") if case.original}
    for case in seen.cases("second"):
        original = case.original
        second = seen.verdict(case)
        if original is None or original.deleted or second is None or not original.standing(seen.until):
            continue
        first = min(original.standing(seen.until), key=lambda one: one.at).verdict
        third = thirds.get(original.id)
        final = first if first == second else seen.verdict(third) if third else None
        yield case, first, second, final


def _settled(seen: SeenWindow) -> Iterator[tuple[CaseFact, str]]:
    for case in seen.real:
        for appeal in case.appeals:
            one = settlement(appeal, seen.until)
            if one and one.at >= seen.since:
                yield case, one.verdict


def settlement(appeal: Appealed, until: float) -> Given | None:
    """Return the decision that had settled an appeal at a time."""
    held = [one for one in appeal.settlements if one.at < until]
    return next((one for one in held if one.undone is None or one.undone >= until), None)


def offenders(seen: SeenWindow) -> TrueFigures:
    """I-26."""
    acted = [one for one in seen.actions(seen.since - AGAIN) if one.case.upheld(seen.until)]
    speakers = [found for found in by(acted, lambda one: one.case.speaker).values() if _times(found, seen.since)]
    repeated = sum(_repeats(found, seen.since) for found in speakers)
    yield true("I-26", "share", over(repeated, len(speakers)), len(speakers))


def _times(found: Sequence[SimulatedAction], since: float) -> list[float]:
    return [one.given.at for one in found if one.given.at >= since]


def _repeats(found: Sequence[SimulatedAction], since: float) -> bool:
    """Tell whether a speaker had another action up to AGAIN before an action in the window."""
    late = [one for one in found if one.given.at >= since]
    return any(
        other is not one and one.given.at - AGAIN <= other.given.at <= one.given.at for one in late for other in found
    )


def of_case(names: dict[str, Callable[[object], str]]) -> dict[str, Callable[[SimulatedAction], str]]:
    """Return functions that take these attributes from the case of an action."""

    def take(of: Callable[[object], str]) -> Callable[[SimulatedAction], str]:
        return lambda one: of(one.case)

    return {name: take(of) for name, of in names.items()}
