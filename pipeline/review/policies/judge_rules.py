"""Which rules the judges are to use, and what each running judge uses, as it reported it last.

On one machine and in the HTTP API, a judge gets the newest release from the store itself (`StoreReleases`).
"""

from contextlib import closing

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, select

from pipeline.base.metrics import Metrics
from pipeline.judge.judge_stage import JudgeConfig, read_config
from pipeline.judge.policy_release import REPORT_SECONDS, FollowedRules, JudgeReport, Release, ShadowCount, rules_of
from pipeline.judge.rule_texts import read_texts
from pipeline.review import database
from pipeline.review.database import Database, upsert
from pipeline.review.policies import versions
from pipeline.review.policies.versions import PublishedPolicy
from pipeline.review.tables.policy_tables import POLICY_SHADOW_COUNTS, POLICY_SHADOWS, POLICY_WORKERS
from pipeline.settings import Settings

JUDGE_SILENT_SECONDS = 4 * REPORT_SECONDS
"""A judge that has reported nothing for longer has ended."""


def store_judge_report(connection: Connection, report: JudgeReport) -> None:
    """Store a report, unless there is a newer one of the same judge. Forget the judges that have ended."""
    fields = msgspec.structs.asdict(report)
    values = {name: fields[name] for name in ("worker", "edition", "policy", "problem", "since")} | {
        "seen_at": report.at
    }
    statement = upsert(connection, POLICY_WORKERS).values(values)
    changes = {name: value for name, value in values.items() if name != "worker"}
    connection.execute(
        statement.on_conflict_do_update(
            # Reports may arrive out of order.
            index_elements=["worker"],
            set_=changes,
            where=POLICY_WORKERS.c.seen_at < report.at,
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
        # FOR KEY SHARE, the lock of a foreign key: `end_shadow` waits until the count is stored.
        .with_for_update(read=True, key_share=True)
    )
    if connection.execute(known).first() is None:
        return
    changes = {name: values[name] for name in ("judged", "flagged", "differ")}
    connection.execute(
        upsert(connection, POLICY_SHADOW_COUNTS)
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


class PolicyStatus(Struct, frozen=True):
    """The live version beside the files and the running judges."""

    live: PublishedPolicy
    edition: int
    """The edition of the newest release."""
    same_files: bool
    """Whether the files of the settings have the same texts."""
    judges: tuple[JudgeReport, ...]

    @property
    def behind(self) -> tuple[JudgeReport, ...]:
        """The judges that do not use the newest release yet."""
        return tuple(each for each in self.judges if each.edition != self.edition)


def policy_status(settings: Settings, now: float) -> PolicyStatus | None:
    """Look at the store at `now` (UTC seconds). None if nothing was published, or if there is no store yet.

    Raises ConfigError for wrong files, and DependencyError.
    """
    if not _can_be_read(settings.database_url):
        return None
    with database.visit(settings.database_url) as connection:
        live, edition = versions.live_version(connection), versions.edition(connection)
        judges = tuple(running_judges(connection, now))
    if live is None:
        return None
    files = read_texts(settings.judge.policy, settings.judge.lexicons)
    return PolicyStatus(live, edition, files.sha256 == live.sha256, judges)


def rules_in_use(settings: Settings) -> JudgeConfig:
    """Return the rules of the newest release, or of the files if nothing was published or there is no store yet.

    Raises ConfigError for wrong rules, and DependencyError.
    """
    files = read_config(settings.judge)
    if not _can_be_read(settings.database_url):
        return files
    with database.visit(settings.database_url) as connection:
        release = versions.newest_release(connection)
    return rules_of(files, release) if release else files


def _can_be_read(url: str) -> bool:
    """Whether there is a store, with the tables of this version."""
    if not database.exists(url):
        return False
    current, newest, _ = database.revisions(url)
    return current is not None and (current == newest or database.only_added_to(current))


class StoreReleases:
    """Reads releases from the store, and writes reports to it. `close` closes the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last: Release | None = None

    def newest(self) -> Release | None:
        with self._database.read() as connection:
            edition = versions.edition(connection)
            # The texts are large, so they are read only with a new edition.
            if self._last is None or self._last.edition != edition:
                self._last = versions.newest_release(connection)
        return self._last

    def report(self, report: JudgeReport) -> None:
        with self._database.write() as connection:
            store_judge_report(connection, report)

    def close(self) -> None:
        self._database.close()


def follow_store(settings: Settings, metrics: Metrics) -> FollowedRules:
    """Follow the releases of the store. Raises ConfigError for wrong files, and DependencyError."""
    source = StoreReleases(Database(settings.database_url))
    try:
        return FollowedRules(settings, source, metrics)
    except BaseException:
        # Later, the rules close the source. Without rules, nobody else would.
        with closing(source):
            raise
