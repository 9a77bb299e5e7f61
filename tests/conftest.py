"""For all tests."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from pipeline.speech import languages

if TYPE_CHECKING:
    from tests.s3 import S3Server

pytest_plugins = ["tests.databases", "tests.tiers"]

buckets = itertools.count()

# A shell lets its background jobs ignore SIGINT, and the processes that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure. CI draws the same examples each time: what new ones find is for a person, at a desk.
settings.register_profile("voxwarden", deadline=None, derandomize="CI" in os.environ, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=3_000)  # pytest --hypothesis-profile=thorough
settings.load_profile("voxwarden")


@pytest.fixture(scope="session", autouse=True)
def _end_of_livekit() -> Iterator[None]:
    """Let the threads of LiveKit's library end first. One that calls Python while it ends would abort the process."""
    yield
    if library := sys.modules.get("livekit.rtc._ffi_client"):
        library.FfiClient.instance._dispose()
        time.sleep(0.5)


@pytest.fixture(autouse=True)
def _own_languages() -> None:
    """Let each test have a configuration file of its own. A process has one, so it looks up the languages once."""
    languages.own_folder.cache_clear()
    languages.read_language.cache_clear()


@pytest.fixture(scope="session")
def s3_server() -> Iterator["S3Server"]:
    """Return an S3 server that runs as long as the tests."""
    from tests import s3

    with s3.running() as server:
        yield server


@pytest.fixture
def bucket(s3_server: "S3Server") -> str:
    """Return the name of a new bucket with object lock."""
    return s3_server.make_bucket(f"test-{next(buckets)}", lock=True)
