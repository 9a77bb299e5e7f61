"""Tables of the security assessment: counts of all speech, what people record and sign, and what apps report.

TALLIES, COUNTED and ROOM_TYPES contain no room and no person.
"""

from sqlalchemy import JSON, BigInteger, Column, Double, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from pipeline.review.tables.core import METADATA

ACTIONS = Table(
    # The app's confirmations that it carried out the action of a decision.
    "actions",
    METADATA,
    # Id of the decision. A later confirmation of the same decision replaces an earlier failure.
    Column("decision", ForeignKey("decisions.id", ondelete="CASCADE"), primary_key=True),
    Column("action", String, nullable=False),
    # "done" or "failed"
    Column("result", String, nullable=False),
    # When the app carried it out, and when it told us.
    Column("at", Double, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "at"),
)

ROOM_HOURS = Table(
    # The app's ledger: the time for which its rooms were open, by hour and type of room.
    "room_hours",
    METADATA,
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("room_type", String, primary_key=True),
    Column("rooms", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("received_at", Double, nullable=False),
)

REGISTER = Table(
    # What only people know: requests of authorities, policy changes, incidents, restore tests.
    "register",
    METADATA,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("due_at", Double, nullable=True),
    Column("closed_at", Double, nullable=True),
    Column("fields", JSON, nullable=False),
    Column("author", String, nullable=False),
    Column("changed_at", Double, nullable=False),
    Index(None, "kind", "opened_at"),
)

TRIGGERS = Table(
    # Suggested or recorded cases of article 3, and what a person decided about each.
    "triggers",
    METADATA,
    Column("id", String, primary_key=True),
    # "3.1" to "3.5"
    Column("clause", String, nullable=False),
    Column("signal", String, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("found_at", Double, nullable=False),
    # "suggested", "accepted" or "rejected"
    Column("state", String, nullable=False),
    Column("decided_by", String, nullable=True),
    Column("decided_at", Double, nullable=True),
    Column("reason", Text, nullable=False),
    # ISO date; NULL: before launch, or no calendar for that year.
    Column("due", String, nullable=True),
    Index(None, "found_at"),
)

HAZARDS = Table(
    "hazards",
    METADATA,
    Column("id", String, primary_key=True),
    # "threshold", "drill", "incident" or "person"
    Column("source", String, nullable=False),
    Column("about", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("found_at", Double, nullable=False),
    Column("owner", String, nullable=False),
    # ISO date
    Column("due", String, nullable=True),
    # "open", "fixed", "closed"
    Column("state", String, nullable=False),
    Index(None, "state", "found_at"),
)

HAZARD_STEPS = Table(
    # The history of each hazard. It only grows.
    "hazard_steps",
    METADATA,
    Column("hazard", ForeignKey("hazards.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("author", String, nullable=False),
    Column("state", String, nullable=False),
    Column("note", Text, nullable=False),
    # Path and SHA-256 of a file, or the id of a figure, that proves the step.
    Column("evidence", JSON, nullable=False),
)

ANSWERS = Table(
    # The fields of the report that people fill in. Each change is a new row; the newest row counts.
    "answers",
    METADATA,
    Column("assessment", String, primary_key=True),
    Column("field", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("author", String, nullable=False),
    Column("at", Double, nullable=False),
)

ASSESSMENTS = Table(
    "assessments",
    METADATA,
    Column("id", String, primary_key=True),
    Column("title", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("until", Double, nullable=False),
    Column("opened_by", String, nullable=False),
    Column("opened_at", Double, nullable=False),
    # "draft" or "final"
    Column("state", String, nullable=False),
    Column("finished_by", String, nullable=True),
    Column("finished_at", Double, nullable=True),
    # SHA-256 of `content`, which the audit log also has.
    Column("sha256", String, nullable=True),
    # The whole final report as JSON: figures, answers, triggers, hazards, drills. NULL in a draft.
    Column("content", Text, nullable=True),
)

ATTACHMENTS = Table(
    # Files that people attach to an item of a report. They do not change after the report is final.
    "attachments",
    METADATA,
    Column("assessment", String, primary_key=True),
    # The name of the file, also in the bundle.
    Column("name", String, primary_key=True),
    # "5(1)" to "5(8)"
    Column("item", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("author", String, nullable=False),
    Column("at", Double, nullable=False),
    # The last column, so that SQLite reads none of its pages for the others.
    Column("content", LargeBinary, nullable=False),
)

FROZEN_RECORDS = Table(
    # The basis of a final report (`pipeline/assessment/report/frozen_records.py`).
    "frozen_records",
    METADATA,
    Column("assessment", String, primary_key=True),
    # A kind of record, or the name of a table in the bundle.
    Column("name", String, primary_key=True),
    # Compressed with zlib. The report has the SHA-256 of the content itself.
    Column("content", LargeBinary, nullable=False),
)

DRILLS = Table(
    "drills",
    METADATA,
    # The mark that the speech carries (`Message.drill`).
    Column("id", String, primary_key=True),
    # "detection" or "stop"
    Column("kind", String, nullable=False),
    Column("started_by", String, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double, nullable=True),
)

DRILL_LINES = Table(
    # The test utterances of a drill, each in a room of its own.
    "drill_lines",
    METADATA,
    Column("drill", ForeignKey("drills.id"), primary_key=True),
    Column("room", String, primary_key=True),
    Column("language", String, nullable=False),
    # Empty: clean speech, which must pass.
    Column("label", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("spoken_at", Double, nullable=False),
    # The suggestion of the judge. NULL: no flag arrived.
    Column("suggestion", String, nullable=True),
    Column("flagged", JSON, nullable=True),
    Column("heard", Text, nullable=True),
    Column("stored_at", Double, nullable=True),
)


ROOM_SPEECH = Table(
    # The speech of a room on a day, by language. Kept for some days; it names no speaker.
    "room_speech",
    METADATA,
    Column("room", String, primary_key=True),
    # Days since 1970 UTC, of the start of the speech.
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("language", String, primary_key=True),
    # "monitored", or "skipped": not transcribed, because the settings do not name the language.
    Column("state", String, primary_key=True),
    # 16 kHz samples
    Column("samples", BigInteger, nullable=False),
    Index(None, "day"),
    Index(None, "state", "day"),
)


TALLIES = Table(
    "tallies",
    METADATA,
    # See `delivery/speech_tallies.py`. It is the first column of the key, because a figure reads few measures.
    Column("measure", String, primary_key=True),
    # Hours since 1970 UTC, of the start of the speech.
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("bucket", String, primary_key=True),
    # Empty: the measure has no such dimension.
    Column("room_type", String, primary_key=True),
    Column("language", String, primary_key=True),
    Column("label", String, primary_key=True),
    Column("policy", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
    # 16 kHz samples. Integers, so that the order of the additions does not change a sum.
    Column("samples", BigInteger, nullable=False),
    # The rows lie in the order of the key, so that a sum over many hours reads one place of the file.
    sqlite_with_rowid=False,
)

COUNTED = Table(
    # The ids that TALLIES contains, so that a message that is delivered again changes nothing. Kept for some days.
    "counted",
    METADATA,
    # The first 16 bytes of a hash.
    Column("key", LargeBinary, primary_key=True),
    # The state that was counted; an utterance moves from "segmented" or "skipped" to "monitored".
    Column("state", String, nullable=False),
    # Why there is no flag, and after a space the language, if that is why. Of a withheld or released flag: how it was
    # counted.
    Column("reason", String, nullable=False),
    Column("at", Double, nullable=False),
    Index(None, "at"),
)

ROOM_TYPES = Table(
    # The types of rooms that apps have sent.
    "room_types",
    METADATA,
    Column("name", String, primary_key=True),
    Column("first_seen_at", Double, nullable=False),
)
