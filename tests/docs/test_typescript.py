"""The examples of docs/api.md compile against the client."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.test_typescript import built as built  # noqa: PLC0414 - a fixture
from tests.deploy.files import ROOT

pytestmark = pytest.mark.full

AROUND = """
declare const token: string;
declare const packets: AsyncIterable<Uint8Array>;
"""


def test_the_examples_compile(built: Path) -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    examples = re.findall(r"```ts\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 3
    for number, example in enumerate(examples):
        text = AROUND + example.replace("voxwarden-client", "./index.js")
        (built / "src" / f"example{number}.ts").write_text(text, "utf-8")
    shown = subprocess.run(
        ["node_modules/.bin/tsc", "--noEmit", "--noUnusedLocals", "false"],
        cwd=built, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    for number in range(3):
        (built / "src" / f"example{number}.ts").unlink()
    assert (shown.returncode, shown.stdout) == (0, "")
