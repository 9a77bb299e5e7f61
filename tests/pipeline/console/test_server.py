"""The jobs that run beside the console."""

from pathlib import Path

import pytest

from pipeline.assessment import triggers
from pipeline.console import server
from pipeline.console.app import open_services
from pipeline.review.database import Database
from pipeline.review.privacy import retention_job
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import Retention, Settings
from tests.builders import NOON, flag


def test_the_watch_stores_new_triggers_once(database: Database, tmp_path: Path) -> None:
    SqlReviewStore(database).add([flag("a", 0, 1, room_type="kids", flagged=("ads_spam",))], NOON)
    services = open_services(Settings(data_dir=tmp_path), database, clock=lambda: NOON + 60)
    for _ in range(2):
        server.watch(services)
    with database.read() as connection:
        assert [(each.signal, each.found_at) for each in triggers.all_of(connection)] == [("room_type:kids", NOON + 60)]


@pytest.mark.parametrize("here", [True, False])
def test_the_retention_job_runs_here_unless_it_runs_elsewhere(database: Database, tmp_path: Path, here: bool) -> None:
    settings = Settings(data_dir=tmp_path, retention=Retention(in_console=here))
    services = open_services(settings, database, lambda: NOON)
    server.keep(services)
    with database.read() as connection:
        assert (retention_job.last_run(connection) is not None) == here
    services.measured.close()
