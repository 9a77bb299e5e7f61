"""docs/integrate.md is true: its example names a stream, which is heard."""

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.deploy.files import ROOT
from tests.pipeline.connect.rtp.speech import heard, payloads
from tests.pipeline.connect.rtp.test_rtp_server import API_TOKEN, receiver, spoken

MANUAL = (ROOT / "docs" / "integrate.md").read_text("utf-8")
[EXAMPLE] = [code for code in re.findall(r"```python\n(.*?)```", MANUAL, re.DOTALL) if "name_stream" in code]


async def test_the_example_names_a_stream(tmp_path: Path) -> None:
    (script := tmp_path / "name.py").write_text(EXAMPLE, "utf-8")
    async with receiver() as there:
        given = os.environ | {"STREAMS": there.url, "TOKEN": API_TOKEN, "no_proxy": "127.0.0.1"}
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, str(script), "7f3a", "lounge", "ü"), env=given, stdout=asyncio.subprocess.PIPE
        )
        port, _ = await client.communicate()
        there.send(int(port), *spoken())
        await there.until_packets("7f3a", 50)
    assert there.heard() == heard("opus", payloads("opus"))
    assert there.place.sink.chunks[0].room == "lounge"
