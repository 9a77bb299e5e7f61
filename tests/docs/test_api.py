"""docs/api.md names the limits and the scopes as they are."""

import re
from typing import get_args

from pipeline.connect.api.api_access import OPEN, SCOPES
from pipeline.settings import Api, Scope
from tests.deploy.files import ROOT

MANUAL = (ROOT / "docs" / "api.md").read_text("utf-8")


def test_the_documented_limits_are_the_defaults() -> None:
    shown = {name: float(value) for name, value in re.findall(r"^\| `api\.(\w+)` \| ([\d.]+) \|", MANUAL, re.MULTILINE)}
    assert shown == {
        name: getattr(Api(), name) for name in Api.model_fields.keys() - {"host", "port", "tokens", "audio_hosts"}
    }


def test_each_scope_and_its_paths_are_documented() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (`.*`) \|$", MANUAL, re.MULTILINE))
    assert rows.keys() == set(get_args(Scope))
    assert all(path.rstrip("/") in rows[scope] for path, scope in SCOPES)
    assert all(path in MANUAL for path in OPEN)
