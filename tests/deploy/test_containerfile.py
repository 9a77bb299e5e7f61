"""The image, as far as a machine without a container engine can check it with Docker's own parser."""

import re
from pathlib import Path

import dockerfile
import pytest

from deploy.slim import EXTRAS
from pipeline.base.user_files import PREFIX
from pipeline.settings import Settings
from tests.deploy.files import DEPLOY, ROOT

PATH = DEPLOY / "Containerfile"


def commands(name: str) -> list[dockerfile.Command]:
    return [command for command in dockerfile.parse_file(str(PATH)) if command.cmd.upper() == name]


def final(name: str) -> dockerfile.Command:
    """Return the last command of this kind. Only the last one applies to the image."""
    return commands(name)[-1]


def copied() -> list[str]:
    """Return the sources that are copied from the build context, not from another stage."""
    taken = [command for command in commands("COPY") if not any(flag.startswith("--from") for flag in command.flags)]
    return [source for command in taken for source in command.value[:-1]]


def test_every_base_image_is_pinned() -> None:
    for base in commands("FROM"):
        assert re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base.value[0])
    assert len({base.value[0] for base in commands("FROM")}) == 1, (
        "packages must run on the Python that they are built for"
    )


def test_the_image_does_not_run_as_root() -> None:
    user, group = final("USER").value[0].split(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert final("USER").start_line > final("RUN").start_line, "no command runs as root after USER"


def test_the_image_starts_voxwarden() -> None:
    assert final("ENTRYPOINT").value == ("voxwarden",)
    assert final("ENTRYPOINT").json, "no shell may take the worker's signals"


@pytest.mark.parametrize("source", copied())
def test_every_copied_source_exists_and_is_not_ignored(source: str) -> None:
    assert (ROOT / source).exists()
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text("utf-8").splitlines()
    assert f"!{source}" in ignored


def test_the_sources_of_the_package_are_copied() -> None:
    """`pip install .` reads these files; see pyproject.toml."""
    sources = {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "configs", "pipeline", "agents", "voxwarden.py"}
    assert sources <= set(copied())


def test_the_versions_are_the_tested_ones() -> None:
    installs = [command.value[0] for command in commands("RUN") if "-r pyproject.toml" in command.value[0]]
    assert len(installs) == 1
    slim, _, full = installs[0].partition("else")
    assert "--no-deps -r requirements-slim.txt" in slim, "without FULL, and its test holds it to constraints.txt"
    assert "-c constraints.txt" in full
    for extra in (*EXTRAS, "postgres", "livekit"):
        assert f"--extra {extra}" in full
    assert "'psycopg[binary]' livekit livekit-api pyjwt" in slim


def test_reports_get_what_the_tests_of_pdfs_need() -> None:
    """The Makefile installs these packages of the system for `make test`."""
    made = re.search(r"^pango:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert made
    needed = set(re.findall(r"need\.sh (\S+)", made[1]))
    [system] = [command.value[0] for command in commands("RUN") if "apt-get install" in command.value[0]]
    assert needed == set(re.findall(r"(?:lib|fonts-)[\w.-]+", system.replace("/var/lib/apt/lists", "")))
    assert all('[ -n "${REPORT}" ]' in run for run in (system, *_pip("weasyprint")))


def _pip(package: str) -> list[str]:
    return [command.value[0] for command in commands("RUN") if f"constraints.txt {package}" in command.value[0]]


def test_every_variable_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    values = final("ENV").value
    for name, value in zip(values[::2], values[1::2], strict=True):
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.data_dir == Path(final("VOLUME").value[0])
    assert settings.metrics.host == "0.0.0.0"  # noqa: S104 - inside a container
    ports = {settings.console.port, settings.api.port, settings.gateway.port, settings.metrics.port}
    assert {str(port) for port in ports} == set(final("EXPOSE").value)
    assert f":{settings.metrics.port}/healthz" in " ".join(final("HEALTHCHECK").value)


def test_the_image_holds_no_secret() -> None:
    for command in commands("ENV") + commands("ARG"):
        assert not re.search(r"(?i)password|token|secret|_key\b", command.original)
