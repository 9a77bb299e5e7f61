"""What an app's answer means, whatever its header Retry-After says."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.base.retry_after import LONGEST_WAIT_SECONDS, AppAnswer, answer_of, retry_seconds
from tests.builders import NOON


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_success_asks_for_nothing(status: int) -> None:
    assert answer_of(status, "100", NOON) == AppAnswer()


@pytest.mark.parametrize("status", [100, 301, 400, 404, 500])
def test_another_answer_is_an_error_and_its_header_does_not_count(status: int) -> None:
    assert answer_of(status, "100", NOON) == AppAnswer(f"the app answered {status}")


def test_a_date_is_a_wait_until_then() -> None:
    at = format_datetime(datetime.fromtimestamp(NOON + 30, UTC), usegmt=True)
    assert answer_of(503, at, NOON) == AppAnswer("the app answered 503", 30, 30)
    assert answer_of(503, at, NOON + 31).wait_seconds == 0


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d [-+]?\w*"))
@example("9" * 400)
@example("Thu, 01 Jan 0001 00:00:00 -1200")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("²")
def test_any_header_gives_a_limited_wait(retry_after: str) -> None:
    assert 0 <= retry_seconds(retry_after, NOON) <= LONGEST_WAIT_SECONDS
