"""How users' reports and appeals are handled: I-19 and I-20."""

from collections import Counter
from collections.abc import Sequence

from benchmarks.assessment.facts import CaseFact
from benchmarks.assessment.truth.figures import Split, TrueFigures, over, parts, share, true
from benchmarks.assessment.truth.judgement import settlement
from benchmarks.assessment.truth.seen import SeenWindow
from benchmarks.assessment.truth.waits import Wait, over_after, quantile


def reports(seen: SeenWindow) -> TrueFigures:
    """I-19."""
    filed = [(case, one) for case in seen.real for one in case.reports if seen.contains(one.at)]
    for part, found in parts(filed, label=lambda each: each[1].label):
        closed = [case for case, _ in found if case.standing(seen.until)]
        yield true("I-19", "received", len(found), len(found), part)
        yield true("I-19", "acknowledged", None, len(found), part)
        waits = [Wait.of(one.at, case.decided(seen.until), seen.until) for case, one in found]
        yield from _times("I-19", waits, seen.rules.report, part)
        yield share("I-19", "substantiated", sum(case.upheld(seen.until) for case in closed), len(closed), part)
        yield share("I-19", "feedback", sum(_told(seen, case) for case in closed), len(closed), part)


def _told(seen: SeenWindow, case: CaseFact) -> bool:
    """Tell whether the app had accepted a decision of the case by the end of the window."""
    return any(seen.history.told.get(one.id, seen.until) < seen.until for one in case.standing(seen.until))


def _times(indicator: str, waits: Sequence[Wait], stated: float, part: Split) -> TrueFigures:
    for key, wanted in (("p50", 0.5), ("p95", 0.95)):
        yield true(indicator, key, quantile(waits, wanted), len(waits), part)
    yield true(indicator, "in_time", over_after(waits, stated), len(waits), part)


def appeals(seen: SeenWindow) -> TrueFigures:
    """I-20."""
    lodged = [(case, one) for case in seen.real for one in case.appeals if seen.contains(one.at)]
    ordered = Counter(one.case.label for one in seen.actions(seen.since))
    for label in ("", *({case.label for case, _ in lodged} | set(ordered)) - {""}):
        part: Split = (("label", label),) if label else ()
        found = [one for case, one in lodged if label in {"", case.label}]
        actions = ordered[label] if label else ordered.total()
        against = sum(one.against.action is not None for one in found)
        yield true("I-20", "received", len(found), len(found), part)
        yield true("I-20", "per_action", over(against, actions), actions, part)
        settled = [(one, end) for one in found if (end := settlement(one, seen.until))]
        ends = {id(one): end.at for one, end in settled}
        waits = [Wait.of(one.at, ends.get(id(one)), seen.until) for one in found]
        yield from _times("I-20", waits, seen.rules.appeal, part)
        changed = sum(end.verdict == "dismiss" for _, end in settled)
        yield share("I-20", "reversed", changed, len(settled), part)
        other = sum(end.person != one.against.person for one, end in settled)
        yield share("I-20", "independent", other, len(settled), part)
