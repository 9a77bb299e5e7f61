"""No name of a room or of a person gets into the log."""

import logging

import pytest

from pipeline.connect.livekit.livekit_process import quiet


@pytest.fixture(autouse=True)
def _as_before() -> object:
    library, root = logging.getLogger("livekit"), logging.getLogger()
    level, filters = library.level, list(root.filters)
    yield
    library.setLevel(level)
    root.filters = filters


def test_the_library_says_nothing_and_our_errors_keep_their_traceback(caplog: pytest.LogCaptureFixture) -> None:
    quiet()
    logging.getLogger("livekit").error('Disconnected from room "zqroomqz"')
    try:
        raise KeyError("a fault of a callback")
    except KeyError:
        logging.exception("error running user callback for %s: %s", "track_published", "identity: zqroomqz")
    logging.getLogger("other").warning("%s", "kept")
    assert "zqroomqz" not in caplog.text
    assert "error running user callback for track_published: (left out)" in caplog.text
    assert "a fault of a callback" in caplog.text
    assert "kept" in caplog.text
