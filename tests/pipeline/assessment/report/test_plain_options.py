"""Options survive a report."""

from pathlib import Path

import msgspec

from pipeline.assessment import options as choices
from pipeline.assessment.report import plain_options
from pipeline.base import canonical_json
from pipeline.settings import Settings


def test_options_come_back_from_json_without_the_clips(tmp_path: Path) -> None:
    options = choices.build(Settings(data_dir=tmp_path))
    written = canonical_json.canonical_bytes(plain_options.to_plain(options))
    found = plain_options.from_plain(msgspec.json.decode(written))
    assert found == msgspec.structs.replace(options, evidence=None)
    assert str(tmp_path).encode() not in written
