"""What each running judge uses, as it reported it last."""

import msgspec
from sqlalchemy import Connection, delete, select

from pipeline.judge.release import REPORT_SECONDS, JudgeReport, ShadowCount
from pipeline.review import upsert
from pipeline.review.tables.policies import POLICY_SHADOW_COUNTS, POLICY_SHADOWS, POLICY_WORKERS

JUDGE_SILENT_SECONDS = 4 * REPORT_SECONDS
"""A judge that has reported nothing for longer has ended."""


def store_judge_report(connection: Connection, report: JudgeReport) -> None:
    """Store a report, unless there is a newer one of the same judge. Forget the judges that have ended."""
    fields = msgspec.structs.asdict(report)
    values = {name: fields[name] for name in ("worker", "edition", "policy", "problem", "since")} | {
        "seen_at": report.at
    }
    statement = upsert.upsert(connection, POLICY_WORKERS).values(values)
    changes = {name: value for name, value in values.items() if name != "worker"}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["worker"], set_=changes, where=POLICY_WORKERS.c.seen_at < report.at
        )
    )
    connection.execute(delete(POLICY_WORKERS).where(POLICY_WORKERS.c.seen_at < report.at - JUDGE_SILENT_SECONDS))
    for count in report.shadows:
        _put_count(connection, report.worker, count)


def _put_count(connection: Connection, worker: str, count: ShadowCount) -> None:
    """Store what a shadow policy has suggested, unless it has ended."""
    values = msgspec.structs.asdict(count) | {"worker": worker}
    known = (
        select(POLICY_SHADOWS.c.mark)
        .where(POLICY_SHADOWS.c.mark == count.mark)
        .with_for_update(read=True, key_share=True)
    )
    if connection.execute(known).first() is None:
        return
    changes = {name: values[name] for name in ("judged", "flagged", "differ")}
    connection.execute(
        upsert.upsert(connection, POLICY_SHADOW_COUNTS)
        .values(values)
        .on_conflict_do_update(
            index_elements=["mark", "worker", "since"],
            set_=changes,
            where=POLICY_SHADOW_COUNTS.c.judged < count.judged,
        )
    )


def running_judges(connection: Connection, now: float) -> list[JudgeReport]:
    """Return the newest report of each judge that runs at `now` (UTC seconds), by name."""
    query = select(POLICY_WORKERS).where(POLICY_WORKERS.c.seen_at >= now - JUDGE_SILENT_SECONDS)
    return [
        JudgeReport(row.worker, row.edition, row.policy, row.since, row.seen_at, row.problem)
        for row in connection.execute(query.order_by(POLICY_WORKERS.c.worker))
    ]
