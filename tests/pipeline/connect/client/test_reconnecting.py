"""The client connects again as the table of close codes in docs/integrate.md says."""

import errno
import re
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Close

from pipeline.connect.client.reconnecting import Reconnecting, StreamError

MANUAL = (Path(__file__).parents[4] / "docs" / "integrate.md").read_text(encoding="utf-8")
TABLE = MANUAL.split("### Look up a close code")[1].split("###")[0]
ANSWERS = {
    int(code): answer
    for codes, answer in re.findall(r"^\| ([\d, ]+) \| .*? \| (.*) \|$", TABLE, re.MULTILINE)
    for code in codes.split(",")
}
NEEDS_REPAIR = {1009, 4401}
"""This client cannot do what they ask for: it sends small frames, and has one token."""


def closed(code: int) -> ConnectionClosed:
    return ConnectionClosedError(Close(code, "because"), Close(code, ""), rcvd_then_sent=True)


def patient(patience: float = 600.0, **changes: Any) -> Reconnecting:
    return Reconnecting("The gateway at ws://gateway", patience, **changes)


def still() -> Reconnecting:
    return patient(chance=lambda: 0.0)


@pytest.mark.parametrize("code", ANSWERS)
def test_each_close_code_is_answered_as_documented(code: int) -> None:
    answer = ANSWERS[code]
    if answer.startswith("no") or code in NEEDS_REPAIR:
        with pytest.raises(StreamError, match=f"code {code}: because") as caught:
            still().pause_after(closed(code))
        assert caught.value.code == code
        assert caught.value.remedy
    else:
        assert still().pause_after(closed(code)) == (1.0 if answer.startswith("yes, later") else 0.0)


def test_pauses_double_up_to_ten_seconds_until_audio_is_acknowledged() -> None:
    reconnecting = still()
    assert [reconnecting.pause_after(closed(1012)) for _ in range(8)] == [0, 1, 2, 4, 8, 10, 10, 10]
    reconnecting.progressed()
    assert [reconnecting.pause_after(OSError()) for _ in range(3)] == [1, 2, 4]


def test_pauses_are_spread_by_a_quarter() -> None:
    assert patient(chance=lambda: 1.0).pause_after(OSError()) == 1.25
    assert {patient().pause_after(OSError()) for _ in range(9)} != {1.0}


def test_the_second_complaint_of_broken_frames_is_final() -> None:
    reconnecting = still()
    reconnecting.pause_after(closed(4415))
    reconnecting.progressed()
    with pytest.raises(StreamError, match="4415"):
        reconnecting.pause_after(closed(4415))


def test_a_code_that_the_client_sent_first_is_a_lost_connection() -> None:
    echoed = ConnectionClosedError(Close(1009, ""), Close(1009, "too big"), rcvd_then_sent=False)
    assert still().pause_after(echoed) == 1.0


DEAD = "The gateway at ws://gateway cannot be reached: Connection refused. Check the address"


def test_a_server_that_never_answered_is_dead_after_a_while() -> None:
    reconnecting = patient(7.0, chance=lambda: 0.0)
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed")
    assert [reconnecting.pause_after(refused) for _ in range(3)] == [1, 2, 4]
    with pytest.raises(StreamError, match=DEAD) as caught:
        reconnecting.pause_after(refused)
    assert caught.value.code == 1006
    with pytest.raises(StreamError, match=DEAD):
        reconnecting.check_answered()


def test_a_server_that_answered_once_is_tried_for_ever() -> None:
    reconnecting = patient(7.0, chance=lambda: 0.0)
    reconnecting.connected()
    assert [reconnecting.pause_after(OSError()) for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    reconnecting.check_answered()
