"""Gives a judge the newest release from the store: on one machine, and in the HTTP API."""

from contextlib import closing

from pipeline.base.metrics import Metrics
from pipeline.judge.release import FollowedRules, JudgeReport, Release
from pipeline.review.database import Database
from pipeline.review.policies import versions, workers
from pipeline.settings import Settings


class StoreReleases:
    """Reads releases from the store, and writes reports to it. `close` closes the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last: Release | None = None

    def newest(self) -> Release | None:
        with self._database.read() as connection:
            edition = versions.edition(connection)
            if self._last is None or self._last.edition != edition:
                self._last = versions.newest_release(connection)
        return self._last

    def report(self, report: JudgeReport) -> None:
        with self._database.write() as connection:
            workers.store_judge_report(connection, report)

    def close(self) -> None:
        self._database.close()


def follow_store(settings: Settings, metrics: Metrics) -> FollowedRules:
    """Follow the releases of the store. Raises ConfigError for wrong files, and DependencyError."""
    source = StoreReleases(Database(settings.database_url))
    try:
        return FollowedRules(settings, source, metrics)
    except BaseException:
        with closing(source):
            raise
