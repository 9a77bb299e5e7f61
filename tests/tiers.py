"""The tiers of the tests. `make test` runs the default tier; `make test-all` runs the rest too: the marker `full`."""

import pytest

FULL_FOLDERS = ("benchmarks", "browser", "clients", "deploy", "stream", "training")
"""Folders below tests/ that start many processes. Of them, only tests with the marker `scenario` run by default."""

FULL_FIXTURES = {"bucket", "s3_server"}
"""A server that Go builds from source for minutes. `make test` must not wait for them."""

LONG = ("broker", "scenario", "timeout", "weights")
"""Markers of tests that start processes, load real weights or need more than the usual time."""


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by `-m`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_full(item):
            item.add_marker("full")
    # Files with long tests come first, so that no process is left with one while the others have ended.
    long = {item.path for item in items if any(map(item.get_closest_marker, LONG))}
    items.sort(key=lambda item: item.path not in long)


def is_full(item: pytest.Item) -> bool:
    """Whether a test is left to `make test-all`."""
    if FULL_FIXTURES & {*getattr(item, "fixturenames", ())}:
        return True
    if item.get_closest_marker("scenario"):
        return False
    folder = item.path.relative_to(item.config.rootpath / "tests").parts[0]
    dialect = item.get_closest_marker("dialect")
    return folder in FULL_FOLDERS or runs_on(item, "openai-whisper") or (runs_on(item, "postgres") and not dialect)


def runs_on(item: pytest.Item, second: str) -> bool:
    """Whether a test runs on the second database or recogniser, because its fixture runs on each of them.

    SQLAlchemy writes nearly all SQL alike for both databases. Files with the marker `dialect` have SQL that differs.
    Both recognisers have the same weights, and the default one decodes with CTranslate2.
    """
    call = getattr(item, "callspec", None)
    return call is not None and second in call._idlist
