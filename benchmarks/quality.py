"""How long the figures of the pages Team and Quality take in a large store: `python -m benchmarks.quality`.

The pages take their figures from a cache, so a reader waits for a measurement only if there is none yet. The benchmark
prints the seconds of each measurement, and the milliseconds of a page whose figures are kept.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import httpx

from benchmarks.assessment.bulk import BEGIN, DAYS, SECONDS, fill
from pipeline.console.app import create_app, open_services
from pipeline.console.guard import COOKIE
from pipeline.review.accounts import accounts, sign_in
from pipeline.review.database import Database
from pipeline.review.quality import trends
from pipeline.review.quality.trends import PERIODS, QualityQuestion
from pipeline.settings import Settings
from tests.pipeline.console.servers import served

NOW = BEGIN + SECONDS
REQUESTS = 20
PATHS = ("/team", *(f"/quality?period={period}" for period in PERIODS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000, help="number of cases in the store")
    parser.add_argument("--tallied-days", type=int, default=DAYS, help="last days with tallies; a young app has few")
    parser.add_argument("--url", default="", help="URL of an empty database; default: SQLite in a temporary folder")
    options = parser.parse_args()
    measure(options.cases, options.tallied_days, options.url)


def measure(cases: int, tallied_days: int, url: str) -> None:
    """Fill a store with the cases of a quarter, and measure."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        with closing(Database(url or settings.database_url)) as database:
            fill(database, cases * 30, cases, tallied_days)
            _measurements(database)
            _pages(settings, database)


def _measurements(database: Database) -> None:
    with database.read() as connection:
        print(f"team: {_seconds(lambda: trends.team(connection, NOW)):.2f} s")
        for period in PERIODS:
            asked = QualityQuestion(period)
            print(f"quality, {period}: {_seconds(lambda asked=asked: trends.measure(connection, asked, NOW)):.2f} s")  # type: ignore[misc]


def _pages(settings: Settings, database: Database) -> None:
    with database.write() as connection:
        accounts.add_account(connection, "lead", "lead", NOW, "benchmark")
        cookie = sign_in.begin_session(connection, "lead", NOW)
    with (
        served(create_app(open_services(settings, database, lambda: NOW))) as url,
        httpx.Client(base_url=url, cookies={COOKIE: cookie}, timeout=600) as client,
    ):
        for path in PATHS:
            while 'id="figures" hx-get' in client.get(path).text:
                time.sleep(1)
            times = [_seconds(lambda path=path: client.get(path)) for _ in range(REQUESTS)]  # type: ignore[misc]
            print(f"{path}: {1_000 * median(times):.0f} ms, at most {1_000 * max(times):.0f} ms")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
