"""The start of `voxwarden` beside another package that uses its import names."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import voxwarden
from agents.machine_checks import examine
from pipeline.settings import Settings
from tests.deploy.files import ROOT

START = ["-c", "import voxwarden; voxwarden.main()"]
MODULE = ["-m", "voxwarden"]


def start(*path: Path, how: Sequence[str] = START) -> subprocess.CompletedProcess[str]:
    """`voxwarden --version` where imports are looked for in `path`."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, *how, "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment, cwd="/")


def foreign(folder: Path, name: str) -> Path:
    """An installed distribution `other-thing` with a package of that name."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text('"""Something else."""\n', "utf-8")
    info = folder / "other_thing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-thing\nVersion: 1.0\n", "utf-8")
    (info / "top_level.txt").write_text(f"{name}\n", "utf-8")
    return folder


@pytest.mark.parametrize("how", [START, MODULE])
def test_it_starts_where_the_names_are_its_own(how: Sequence[str]) -> None:
    shown = start(ROOT, how=how)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("voxwarden ")


@pytest.mark.parametrize("name", voxwarden.NAMES)
def test_a_foreign_package_that_comes_first_is_named(name: str, tmp_path: Path) -> None:
    shown = start(foreign(tmp_path, name), ROOT)
    assert shown.returncode == voxwarden.FAILED
    assert shown.stderr.splitlines() == [
        f"error: the import name `{name}` belongs to other-thing, not to Voxwarden. {voxwarden.REMEDY}"
    ]


def test_each_class_for_programs_can_be_imported() -> None:
    assert all(isinstance(getattr(voxwarden, name), type) for name in voxwarden.__all__)
    assert set(voxwarden.__all__) == set(voxwarden.MODULES)


def test_a_package_overwritten_by_another_is_named(tmp_path: Path) -> None:
    for name in voxwarden.NAMES:
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / name / "__init__.py", tmp_path / name)
    shutil.copy(ROOT / "voxwarden.py", tmp_path)
    (tmp_path / "agents" / "__init__.py").write_text('"""Something else."""\n', "utf-8")
    shown = start(tmp_path)
    assert shown.returncode == voxwarden.FAILED
    assert "the import name `agents` belongs to another package" in shown.stderr


def test_the_doctor_names_a_package_that_comes_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(foreign(tmp_path, "pipeline")))
    result = next(each for each in examine(Settings(data_dir=tmp_path)) if each.what == "import names")
    assert result.state == "fault"
    assert "`pipeline` is also in other-thing" in result.detail
    assert voxwarden.REMEDY in result.detail


def test_the_classes_for_programs_can_be_imported() -> None:
    assert {name: getattr(voxwarden, name).__name__ for name in voxwarden.__all__} == {
        name: name for name in voxwarden.MODULES
    }
    with pytest.raises(AttributeError, match="Nothing"):
        voxwarden.Nothing  # noqa: B018
