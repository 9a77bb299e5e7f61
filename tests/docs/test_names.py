"""Every setting and metric that the pages name exists."""

import re
from pathlib import Path

import pytest

from pipeline.settings import Settings, keys
from tests.deploy.files import unknown_names
from tests.docs.pages import PAGES

SECTIONS = [name for name in Settings.model_fields if name != "data_dir"]
SETTING = re.compile(rf"`((?:{'|'.join(SECTIONS)})\.(?!ya?ml|md|py|txt|key\.pub)[a-z0-9_.]*[a-z0-9])")
METRIC = re.compile(r"\bvoxwarden_[a-z_]*[a-z]")
OF_KAFKA = {"retention.ms", "retention.bytes"}
"""Settings of topics, whose names look like ours."""

MANUALS = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""The changelog also names what is gone."""


@pytest.mark.parametrize("page", MANUALS, ids=lambda page: page.stem)
def test_every_setting_exists(page: Path) -> None:
    known = list(keys())
    named = set(SETTING.findall(page.read_text("utf-8"))) - OF_KAFKA
    assert [name for name in named if not any(f"{key}.".startswith(f"{name}.") for key in known)] == []


@pytest.mark.parametrize("page", MANUALS, ids=lambda page: page.stem)
def test_every_metric_exists(page: Path) -> None:
    assert not unknown_names(" ".join(METRIC.findall(page.read_text("utf-8"))))
