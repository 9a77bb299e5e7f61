"""A room type that the policy does not name causes a warning."""

from pathlib import Path

import pytest

from agents.commands.roomtype import warn_unknown
from pipeline.base.errors import ConfigError
from pipeline.settings import JudgeSettings, Settings


@pytest.mark.parametrize("known", ["default", "kids"])
def test_a_known_room_type_causes_no_warning(known: str, capsys: pytest.CaptureFixture[str]) -> None:
    warn_unknown(Settings(), known)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["kid", "[bold]kids[/]"])
def test_an_unknown_room_type_is_named_as_it_is_written(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    warn_unknown(Settings(), name)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("warning: ")
    assert f"the room type {name}, so the rules for all rooms apply" in err


def test_a_broken_policy_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("every: 3\n", "utf-8")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        warn_unknown(Settings(judge=JudgeSettings(policy=str(tmp_path / "mine.yaml"))), "kids")
