"""Whether the records are complete, kept, retrievable and protected: I-21, I-22, I-23 and I-31."""

import math
from fractions import Fraction
from hashlib import sha256

from benchmarks.assessment.facts import DAY, HOUR, CaseFact
from benchmarks.assessment.truth.figures import TrueFigures, over, share, true
from benchmarks.assessment.truth.seen import SeenWindow

KEPT_DAYS = 183
SAMPLE = 200


def complete(seen: SeenWindow) -> TrueFigures:
    """I-21."""
    cases = [case for case in seen.real if case.kind in {"flagged", "audit"}]
    spoken = [one for case in cases for one in (*case.flags, *case.linked)]
    flags = sum(one.stored is not None and seen.contains(one.stored) for one in spoken)
    lines = sum(seen.contains(at) for at in seen.history.lines)
    both = {"": flags + lines, "account": flags + lines, "time": flags + lines}
    for reason, n in (both | {"content": flags, "operation": lines}).items():
        yield true("I-21", "share", over(n, n), n, (("reason", reason),) if reason else ())
    for reason in ("source_address", "target_address", "source_port", "hardware"):
        yield true("I-21", "share", None, 0, (("reason", reason),))


def retention(seen: SeenWindow) -> TrueFigures:
    """I-22."""
    since = seen.until - KEPT_DAYS * DAY
    spoken = [one.hour * HOUR for one in seen.history.arrived if not one.drill]
    times = [at for at in (*seen.history.lines, *spoken) if since <= at < seen.until]
    days = {math.floor((at - since) / DAY + 1e-6) for at in times}
    yield true("I-22", "days", Fraction(len(days), KEPT_DAYS), KEPT_DAYS)
    expired = seen.contains(seen.history.expired)
    cases = sum(case.deleted for case in seen.history.cases) if expired else 0
    clips = seen.history.clips_deleted if expired else 0
    yield true("I-22", "early", cases + clips, cases + clips)
    for reason, n in (("case", cases), ("clip", clips)):
        yield true("I-22", "early", n, n, (("reason", reason),))
    yield true("I-22", "erased", 0, 0)
    stored = [case for case in seen.history.kept() if case.created < seen.until]
    n = len(stored) + sum(len(drill.rooms) for drill in seen.history.stop_drills if drill.at < seen.until)
    yield true("I-22", "overdue", over(sum(_overdue(seen, case) for case in stored), n), n)


def _overdue(seen: SeenWindow, case: CaseFact) -> bool:
    """Tell whether the job should have deleted a dismissed case, or the copy of one, by its last daily run."""
    before, original = seen.until - DAY - seen.rules.dismissed_days * DAY, case.original or case
    last = max((one.at for one in original.decisions), default=original.created)
    kept = [one for one in original.decisions if one.undone is None]
    dismissed = bool(kept) and kept[-1].verdict == "dismiss"
    old = max(original.created, last) < before and case.created < seen.until - DAY
    return dismissed and old and not any(one.waits for one in original.appeals)


def evidence(seen: SeenWindow) -> TrueFigures:
    """I-23."""
    actions = seen.actions(seen.until - KEPT_DAYS * DAY)
    ordered = sorted(actions, key=lambda one: sha256(f"evidence\x1f{one.given.id}".encode()).digest())
    sample = ordered[:SAMPLE]
    yield share("I-23", "share", sum(bool(one.case.flags) and one.case.clip is True for one in sample), len(sample))


def access(seen: SeenWindow) -> TrueFigures:
    """I-31. All accounts of the world are younger than 90 days, so none counts as unused."""
    views = [one for one in seen.history.acts if one.action == "case.view" and seen.contains(one.at)]
    handled = {
        (one.person, one.case)
        for one in seen.history.acts
        if one.action in {"case.claim", "case.decide", "appeal.settle"} and one.at < seen.until
    }
    n = len(views)
    yield true("I-31", "views", n, n)
    yield true("I-31", "share", over(n, n), n)
    yield true("I-31", "assigned", over(sum((one.person, one.case) in handled for one in views), n), n)
    hired = seen.history.lines[0] < seen.until
    yield true("I-31", "unused", 0, seen.rules.accounts if hired else 0)
