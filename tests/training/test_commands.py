"""The commands of the training end with a line and an exit code."""

import os
import signal

import pytest

from training.commands import errors_in_a_line


def test_sigterm_ends_a_training_like_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, errors_in_a_line():
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "stopped\n"
