"""What people register, and stop drills: I-27 to I-30."""

from collections.abc import Iterable
from fractions import Fraction

from benchmarks.assessment.facts import DAY, WorldEntry
from benchmarks.assessment.truth.figures import Split, TrueFigures, over, true
from benchmarks.assessment.truth.seen import SeenWindow
from benchmarks.assessment.truth.waits import Wait, quantile


def policy_changes(seen: SeenWindow) -> TrueFigures:
    """I-27."""
    changes = seen.entries("policy_change")
    emergency = [one for one in changes if one.fields.get("emergency")]
    planned = [one for one in changes if not one.fields.get("emergency")]
    for reason, found in (("", changes), ("emergency", emergency), ("planned", planned)):
        waits = [Wait.of(one.opened, one.closed, seen.until) for one in found]
        part: Split = (("reason", reason),) if reason else ()
        for key, share in (("p50", 0.5), ("max", 1.0)):
            yield true("I-27", key, quantile(waits, share), len(found), part)


def stop_drills(seen: SeenWindow) -> TrueFigures:
    """I-28."""
    held = [one for one in seen.history.stop_drills if seen.contains(one.at)]
    stops = [[told.at if told and told.at < seen.until else None for told in one.rooms.values()] for one in held]
    whole = [max(at for at in rooms if at) - one.at for one, rooms in zip(held, stops, strict=True) if all(rooms)]
    yield true("I-28", "seconds", max(whole, default=None), len(held))
    failed = sum(at is None for rooms in stops for at in rooms)
    yield true("I-28", "failed", failed if held else None, sum(map(len, stops)))
    yield true("I-28", "drills", len(held), len(held))
    last = max((one.at for one in held), default=None)
    yield true("I-28", "last", None if last is None else (seen.until - last) / DAY, len(held))


def voices(seen: SeenWindow) -> TrueFigures:
    """I-29."""
    found = seen.entries("synthetic_voice")
    for key, top, bottom in (("share", "labelled", "clips"), ("files", "marked", "files")):
        yield true("I-29", key, over(total(found, top), total(found, bottom)), total(found, bottom))


def requests(seen: SeenWindow) -> TrueFigures:
    """I-30."""
    found, police = seen.entries("authority_request"), seen.entries("police_report")
    yield true("I-30", "received", len(found) if seen.registered else None, len(found))
    due = [one for one in found if one.due is not None and (_answered(one, seen) or one.due < seen.until)]
    yield true("I-30", "in_time", _share(due, seen), len(due))
    waits = [Wait.of(one.opened, one.closed, seen.until) for one in found]
    yield true("I-30", "p50", quantile(waits, 0.5), len(found))
    exports = total(found, "exports")
    yield true("I-30", "signed", over(total(found, "signed"), exports), exports)
    yield true("I-30", "police", _share(police, seen), len(police))


def _share(entries: list[WorldEntry], seen: SeenWindow) -> Fraction | None:
    """Return the share that was closed by the time when it was due."""
    return over(sum(_answered(one, seen) and (one.closed or 0.0) <= (one.due or 0.0) for one in entries), len(entries))


def _answered(entry: WorldEntry, seen: SeenWindow) -> bool:
    return entry.closed is not None and entry.closed < seen.until


def total(entries: Iterable[WorldEntry], field: str) -> int:
    """Return the sum of a number in the entries."""
    return sum(int(one.fields.get(field, 0)) for one in entries)
