"""A member of the bots that stops is noticed within seconds, and an outage of the store is no such stop."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from pipeline.base.errors import DependencyError
from pipeline.connect.livekit.member_beats import BEAT_SECONDS, LOST_SECONDS, MemberBeats
from pipeline.review.database import Database
from pipeline.settings import LiveKitSettings

MEMBERS = ("left", "right")


class Now:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Now:
    return Now()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'store.db'}")) as opened:
        yield opened


def beats_of(name: str, database: Database, clock: Now) -> MemberBeats:
    return MemberBeats(LiveKitSettings(members=MEMBERS, name=name), database, clock)


def test_a_member_that_stops_is_lost_and_comes_back(database: Database, clock: Now) -> None:
    left, right = (beats_of(name, database, clock) for name in MEMBERS)
    for _ in range(10):
        assert left.lost() | right.lost() == set()
        clock.seconds += BEAT_SECONDS
    stopped = clock.seconds
    while not right.lost():
        assert clock.seconds < stopped + 15 - BEAT_SECONDS, "the rooms are heard within 15 s"
        clock.seconds += BEAT_SECONDS
    assert right.lost() == {"left"}
    again = beats_of("left", database, clock)
    assert again.lost() == set()
    assert right.lost() == set()


def test_a_member_that_never_started_is_lost(database: Database, clock: Now) -> None:
    right = beats_of("right", database, clock)
    assert right.lost() == set()
    clock.seconds += LOST_SECONDS
    assert right.lost() == {"left"}


def test_an_outage_of_the_store_is_no_loss(database: Database, clock: Now) -> None:
    left, right = (beats_of(name, database, clock) for name in MEMBERS)
    left.lost()
    right.lost()
    with patch.object(Database, "write", side_effect=DependencyError("The store does not answer", "Wait.")):
        clock.seconds += 10 * LOST_SECONDS
        assert right.lost() == set()
    assert right.lost() == set(), "left may need a moment until it writes again"
    clock.seconds += LOST_SECONDS
    assert right.lost() == {"left"}
