"""The register that people keep: incidents, restore tests, changes, requests of authorities."""

from benchmarks.assessment.facts import BEGIN, DAY, HOUR, WorldEntry
from benchmarks.assessment.speech import LAG, NEW_POLICY, OVERLOAD
from benchmarks.assessment.world.core import Process, World
from benchmarks.assessment.world.delivery import OUTAGE, OUTAGE_SECONDS
from pipeline.assessment import register

REQUEST = {"authority": "网信办", "reference": "1", "legal_basis": "CSL", "approver": "lea"}
EMERGENCY = {"version": "x", "reason": "y", "emergency": True}
ENTRIES = (
    WorldEntry("incident", OVERLOAD, OVERLOAD + 2.5 * HOUR, {"title": "overload", "severity": "high"}),
    WorldEntry("incident", OUTAGE, OUTAGE + OUTAGE_SECONDS, {"title": "outage", "severity": "high"}),
    WorldEntry("incident", BEGIN + 12 * DAY, None, {"title": "still open", "severity": "low"}),
    WorldEntry("restore_test", BEGIN + 2 * DAY, BEGIN + 2 * DAY + HOUR, {"backup": "last night", "result": "passed"}),
    WorldEntry("restore_test", BEGIN + 11 * DAY, BEGIN + 11 * DAY + HOUR, {"backup": "last night", "result": "failed"}),
    WorldEntry("policy_change", NEW_POLICY - HOUR, NEW_POLICY + LAG, {"version": "default@2", "reason": "new terms"}),
    WorldEntry("policy_change", BEGIN + 8 * DAY, BEGIN + 8 * DAY + 600, EMERGENCY),
    WorldEntry("policy_change", BEGIN + 13 * DAY, None, {"version": "default@3", "reason": "more terms"}),
    WorldEntry(
        "authority_request", BEGIN + DAY, BEGIN + 2 * DAY, REQUEST | {"exports": 2, "signed": 1}, BEGIN + 3 * DAY
    ),
    WorldEntry("authority_request", BEGIN + 5 * DAY, BEGIN + 9 * DAY, REQUEST | {"exports": 1}, BEGIN + 6 * DAY),
    WorldEntry("authority_request", BEGIN + 11 * DAY, None, REQUEST, BEGIN + 12 * DAY),
    WorldEntry("authority_request", BEGIN + 12 * DAY, None, REQUEST),
    WorldEntry("police_report", BEGIN + 3 * DAY, BEGIN + 3.5 * DAY, {"matter": "threat"}, BEGIN + 4 * DAY),
    WorldEntry("police_report", BEGIN + 6 * DAY, BEGIN + 7.5 * DAY, {"matter": "fraud"}, BEGIN + 7 * DAY),
    WorldEntry("synthetic_voice", BEGIN + 7 * DAY, None, {"clips": 40, "labelled": 38, "files": 5, "marked": 4}),
    WorldEntry("synthetic_voice", BEGIN + 13 * DAY, None, {"clips": 10, "labelled": 10}),
    WorldEntry(
        "technical_change",
        BEGIN + 2.2 * DAY,
        None,
        {"component": "hosting", "before": "one region", "after": "two regions", "note": ""},
    ),
    WorldEntry(
        "technical_change",
        BEGIN + 9 * DAY,
        None,
        {"component": "voice_changer", "before": "", "after": "cartoon voices", "note": ""},
    ),
    WorldEntry(
        "shadow_run",
        BEGIN + 7.5 * DAY,
        None,
        {"policy": "default@3", "caught_before": 0.04, "caught_after": 0.05, "note": ""},
    ),
    WorldEntry(
        "shadow_run",
        BEGIN + 10 * DAY,
        None,
        {"policy": "default@3", "caught_before": 0.04, "caught_after": 0.02, "note": ""},
    ),
)
"""Of the shadow runs, only the second one moves the share of caught speech far enough for a trigger."""


def keep(world: World, entry: WorldEntry) -> Process:
    """Register an entry when it begins, and close it when it is over."""
    made = world.write(register.add, entry.kind, entry.fields, "lea", world.now, due_at=entry.due)
    world.history.register.append(WorldEntry(**vars(entry) | {"id": made.id}))
    world.line()
    if entry.closed is not None:
        yield entry.closed
        world.write(register.close, made.id, "lea", world.now)
        world.line()
