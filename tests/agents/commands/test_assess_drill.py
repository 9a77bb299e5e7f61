"""`voxwarden assess drill`: lines and mistakes. `tests/agents/test_drill.py` is live."""

import asyncio
import shutil
from pathlib import Path

import pytest

from pipeline.assessment import drills
from pipeline.base.errors import DependencyError
from pipeline.review.database import Database
from tests.agents.commands.conftest import Assess
from tests.agents.gateway.test_gateway_server import BEARER, running

CLIP = Path(__file__).parents[2] / "data" / "tt-weasels.flac"


def test_lines_are_those_that_the_policy_turns_on(assess_at: Assess, duties: Database) -> None:
    listed = assess_at("drill", "lines").stdout
    assert "zh-fraud-1 " in listed
    assert "political_sensitive" not in listed
    assert assess_at("drill", "lines", "--language", "en", "--label", "clean").stdout.count("en-clean-") == 4
    assert all(
        line.startswith("en-clean-")
        for line in assess_at("drill", "lines", "--language", "en", "--label", "clean").stdout.splitlines()
    )


@pytest.mark.parametrize("token", ["x" * 16, BEARER])
async def test_a_drill_that_the_gateway_refuses_is_an_error_and_leaves_no_results(
    assess_at: Assess, duties: Database, token: str
) -> None:
    async with running(closed_room_types=("kids",)) as place:
        address = f"ws://127.0.0.1:{place.gateway.port}"
        given = ("--gateway", address, "--token", token, "--label", "violence", "--room-type", "kids", "--wait", "0")
        result = await asyncio.to_thread(assess_at, "drill", "run", *given)
    assert isinstance(result.exception, DependencyError)
    assert ("No valid token" if token != BEARER else "Audio of this type of room is not taken") in str(result.exception)
    with duties.read() as connection:
        assert drills.all_drills(connection) == []
        assert drills.last(connection)["detection"] is None


def test_a_drill_without_a_gateway_says_so(assess_at: Assess, duties: Database) -> None:
    given = ("--gateway", "ws://127.0.0.1:9", "--token", "x" * 16, "--label", "violence", "--wait", "0")
    result = assess_at("drill", "run", *given)
    assert isinstance(result.exception, DependencyError)
    assert "ws://127.0.0.1:9" in str(result.exception)
    assert "no recording" not in result.stderr


def test_lines_of_a_user_need_recordings(assess_at: Assess, duties: Database, tmp_path: Path) -> None:
    shutil.copy(CLIP, tmp_path / "zh-fraud-1.flac")
    given = ("--gateway", "ws://127.0.0.1:9", "--token", "x" * 16, "--label", "fraud", "--audio", str(tmp_path))
    assert (
        "3 lines have no recording and are left out: en-fraud-1, en-fraud-2, zh-fraud-2"
        in assess_at("drill", "run", *given).stderr
    )
