"""Signals set an event or stop a block like Ctrl-C, and a folder is there as a whole or not."""

import asyncio
import os
import signal
from pathlib import Path
from typing import NoReturn

import pytest

from pipeline.base.errors import InputError
from pipeline.base.stopping import like_ctrl_c, stop_on_signals, whole


def test_sigterm_interrupts_the_block_and_nothing_after_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), like_ctrl_c():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_folder_appears_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "model"
    with whole(out) as new:
        (new / "weights").write_text("new")
        assert not out.exists()
    assert [*tmp_path.iterdir()] == [out]
    assert (out / "weights").read_text() == "new"


def test_an_interrupted_folder_leaves_nothing_but_the_one_before(tmp_path: Path) -> None:
    out = tmp_path / "model"
    for there in (False, True):
        if there:
            out.mkdir()
            (out / "weights").write_text("old")
        with pytest.raises(KeyboardInterrupt), whole(out) as new:
            _half(new)
        assert [*tmp_path.iterdir()] == [out] * there
    assert (out / "weights").read_text() == "old"


def _half(new: Path) -> NoReturn:
    (new / "weights").write_text("half")
    raise KeyboardInterrupt


def test_the_folder_before_is_replaced_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "model"
    for name in ("old", "new"):
        with whole(out) as new:
            (new / name).touch()
    assert [each.name for each in out.iterdir()] == ["new"]
    assert [*tmp_path.iterdir()] == [out]


def test_the_rest_of_a_killed_process_with_our_id_is_removed(tmp_path: Path) -> None:
    """In a container, each process of a command may have the same id."""
    out = tmp_path / "model"
    for each in (out, *(tmp_path / f".model.{kind}-{os.getpid()}" for kind in ("new", "old"))):
        each.mkdir()
        (each / "half").touch()
    with whole(out) as new:
        (new / "weights").touch()
    assert [*tmp_path.rglob("*")] == [out, out / "weights"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere/model cannot be made"), whole(tmp_path / "nowhere" / "model"):
        pytest.fail("there is nothing to fill")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_sets_the_event(number: signal.Signals) -> None:
    stop = stop_on_signals()
    assert not stop.is_set()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(stop.wait(), 30)
    os.kill(os.getpid(), number)  # a second one changes nothing
    await asyncio.sleep(0)
