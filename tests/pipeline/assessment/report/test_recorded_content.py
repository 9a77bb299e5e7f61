"""What people recorded becomes content."""

from sqlalchemy import insert, update

from pipeline.assessment import forms
from pipeline.assessment.report import recorded_content
from pipeline.assessment.report.content import DrillCount, Entries, Restrictions
from pipeline.review.database import Database
from pipeline.review.quality import snapshot
from pipeline.review.quality.figure import Window
from pipeline.review.tables.assessment_tables import HAZARDS, REGISTER, TRIGGERS
from tests.builders import NOON
from tests.pipeline.assessment.report import stored

LATER = Window(NOON + 400, stored.NOW)
EARLIER = Window(NOON - stored.DAY, NOON - 1)
AFTER = Window(stored.NOW + 1, stored.NOW + 2)
"""It begins after all entries."""


def test_triggers_stay_until_they_are_decided_and_in_the_window_of_the_decision(filled: Database) -> None:
    with filled.write() as connection:
        for window in (EARLIER, stored.WINDOW, AFTER):
            [trigger] = recorded_content.triggers(connection, window)
        assert (trigger.clause, trigger.state, trigger.decided_by) == ("3.4", "suggested", "")
        connection.execute(update(TRIGGERS).values(state="accepted", decided_at=stored.NOW, decided_by="lea"))
        assert len(recorded_content.triggers(connection, EARLIER)) == 1
        assert recorded_content.triggers(connection, AFTER) == ()


def test_hazards_with_their_history_stay_until_they_are_closed(filled: Database) -> None:
    with filled.write() as connection:
        for window in (EARLIER, stored.WINDOW, AFTER):
            [hazard] = recorded_content.hazards(connection, window)
        assert [step.note for step in hazard.steps] == ["Seen."]
        connection.execute(update(HAZARDS).values(state="closed"))
        assert len(recorded_content.hazards(connection, stored.WINDOW)) == 1
        assert recorded_content.hazards(connection, AFTER) == ()


def test_drills_are_counted_by_language_and_label(filled: Database) -> None:
    with filled.read() as connection:
        [drill] = recorded_content.drills(connection, EARLIER)
        assert recorded_content.drills(connection, AFTER) == ()
    assert drill.counts == (DrillCount(language="zh", label="abuse", lines=2, answered=1, right=1, named=0),)
    assert [(each.step, each.n) for each in drill.times] == [("flag", 1)]


def test_upheld_decisions_are_counted_by_label_source_and_action(filled: Database) -> None:
    with filled.read() as connection:
        snapshot.take(connection, stored.WINDOW.until)
        assert recorded_content.restrictions(connection, stored.WINDOW) == (
            Restrictions(label="violence", found_by="machine", action="mute", n=1),
        )
        snapshot.take(connection, LATER.until)
        assert recorded_content.restrictions(connection, LATER) == ()


def test_answers_have_author_time_and_the_names_of_choices(filled: Database) -> None:
    made = stored.opened(filled)
    with filled.write() as connection:
        forms.answer(connection, made.id, {"subject_kind": "individual"}, "lea", stored.NOW)
        found = {each.field: each for each in recorded_content.answers(connection, made.id)}
    kind = found["subject_kind"]
    assert (kind.part, kind.required, kind.author, kind.at) == ("1", True, "lea", stored.NOW)
    assert (kind.text, kind.shown.zh, kind.shown.en) == ("individual", "个人", "Individual")
    assert "person_name" in found
    assert "organisation_name" not in found


def test_the_register_gives_numbers_only(filled: Database) -> None:
    entry = {"fields": {"matter": "secret"}, "author": "lea", "changed_at": NOON, "opened_at": NOON}
    with filled.write() as connection:
        for name, closed in (("a", NOON + 5), ("b", None)):
            connection.execute(insert(REGISTER).values(entry | {"id": name, "kind": "incident", "closed_at": closed}))
        assert recorded_content.register(connection, stored.WINDOW) == (Entries(kind="incident", n=2, open=1),)
        assert recorded_content.register(connection, LATER) == ()
