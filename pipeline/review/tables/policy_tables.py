"""Tables of policies (drafts, versions, shadow policies, backtests, judges) and of banned recordings."""

from sqlalchemy import JSON, Column, Double, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from pipeline.review.tables.core import METADATA

POLICY_VERSIONS = Table(
    # The published versions. The rows never change.
    "policy_versions",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String, nullable=False),
    # `RuleTexts`: the YAML texts of the policy and its lexicons.
    Column("texts", JSON, nullable=False),
    Column("sha256", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("authors", JSON, nullable=False),
    Column("approver", String, nullable=False),
    Column("published_at", Double, nullable=False),
    # The version whose texts a roll-back brought back.
    Column("back_to", Integer, nullable=True),
)

POLICY_DRAFTS = Table(
    "policy_drafts",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("title", Text, nullable=False),
    Column("texts", JSON, nullable=False),
    Column("sha256", String, nullable=False),
    # Everybody who has edited it. None of them may approve it.
    Column("authors", JSON, nullable=False),
    # "edited", "checked", "backtested", "asked", "published" or "dropped"
    Column("state", String, nullable=False),
    Column("edited_at", Double, nullable=False),
    Column("asked_by", String, nullable=True),
    Column("asked_at", Double, nullable=True),
    # The version that it became.
    Column("version", Integer, nullable=True),
    Index(None, "state", "edited_at"),
)

POLICY_SHADOWS = Table(
    # The shadow policies that run now.
    "policy_shadows",
    METADATA,
    # The part after the `@` in the policy's version.
    Column("mark", String, primary_key=True),
    Column("texts", JSON, nullable=False),
    Column("started_by", String, nullable=False),
    Column("started_at", Double, nullable=False),
)

POLICY_RELEASES = Table(
    # Each change of what judges use: a published version, or shadow policies. The newest row counts.
    "policy_releases",
    METADATA,
    Column("edition", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=True),
    Column("shadows", JSON, nullable=False),
    Column("at", Double, nullable=False),
)

POLICY_WORKERS = Table(
    # What each running judge uses.
    "policy_workers",
    METADATA,
    Column("worker", String, primary_key=True),
    Column("edition", Integer, nullable=False),
    Column("policy", String, nullable=False),
    # Why it could not use a newer release.
    Column("problem", Text, nullable=False),
    # When it began to use it, and when it said so last.
    Column("since", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
)

POLICY_SHADOW_COUNTS = Table(
    # What each shadow policy has suggested in each judge. A judge that starts again counts in another row.
    "policy_shadow_counts",
    METADATA,
    Column("mark", ForeignKey("policy_shadows.mark", ondelete="CASCADE"), primary_key=True),
    Column("worker", String, primary_key=True),
    Column("since", Double, primary_key=True),
    Column("judged", Integer, nullable=False),
    Column("flagged", Integer, nullable=False),
    Column("differ", Integer, nullable=False),
)

POLICY_BACKTESTS = Table(
    "policy_backtests",
    METADATA,
    Column("draft", ForeignKey("policy_drafts.number", ondelete="CASCADE"), primary_key=True),
    # The texts that it judged with, and the version that it compared them with; 0: the files.
    Column("sha256", String, nullable=False),
    Column("against", Integer, nullable=False),
    Column("hours", Integer, nullable=False),
    # "waiting", "running", "done", "cancelled" or "failed"
    Column("state", String, nullable=False),
    Column("asked_by", String, nullable=False),
    Column("asked_at", Double, nullable=False),
    # When the process that runs it wrote the last time.
    Column("beat_at", Double, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    # `BacktestResult`; of a failed one, the reason.
    Column("result", JSON, nullable=True),
)


BANNED_RECORDINGS = Table(
    "banned_recordings",
    METADATA,
    # The hash of its landmarks, 16 hexadecimal digits.
    Column("id", String, primary_key=True),
    Column("title", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # Empty: the policy names the label.
    Column("label", String, nullable=False),
    Column("added_by", String, nullable=False),
    Column("added_at", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    # The last column, so that SQLite reads none of its pages for the others.
    Column("landmarks", LargeBinary, nullable=False),
)
