"""A real Prometheus for tests. It scrapes every second into a temporary folder."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import yaml

from tests.deploy.files import DEPLOY, RULES, load
from tests.ports import free_port

START_SECONDS = 30
PATIENCE_SECONDS = 60


def program(name: str) -> str:
    """Return the path of a program. Without it the test fails, because a skipped test proves nothing."""
    found = shutil.which(name)
    if not found:
        raise RuntimeError(f"No {name} on the PATH. Install it: apt-get install prometheus prometheus-alertmanager")
    return found


class Prometheus:
    """A running Prometheus. `query` runs an instant query and returns its samples without those that are NaN."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        samples = self._ask("query", {"query": expression})
        return [sample for sample in samples if sample["value"][1] != "NaN"]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the series from `start` to `end` (UTC seconds), with a value each `step` seconds."""
        return self._ask("query_range", {"query": expression, "start": start, "end": end, "step": step})

    def wait_for_alertmanager(self) -> None:
        """Wait until it can send alerts. In its first five seconds it drops them."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._data("alertmanagers", {})["activeAlertmanagers"]:
            assert time.monotonic() < deadline, "Prometheus finds no Alertmanager"
            time.sleep(0.3)

    def reload(self) -> None:
        """Read the configuration again. Needs the option `--web.enable-lifecycle`."""
        urlopen(Request(f"{self._url}/-/reload", method="POST"), timeout=30).close()  # noqa: S310 - our own server

    def _ask(self, what: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._data(what, values)["result"]
        return found

    def _data(self, what: str, values: Mapping[str, object]) -> dict[str, Any]:
        url = f"{self._url}/api/v1/{what}?{urlencode(values)}"
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server on loopback
            found: dict[str, Any] = json.load(answer)["data"]
        return found

    def wait_for_all(self, expressions: list[str], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until each expression has a sample. `meanwhile` is called repeatedly."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while empty := [expression for expression in expressions if not self.query(expression)]:
            assert time.monotonic() < deadline, f"no data for {empty}"
            meanwhile()
            time.sleep(0.3)


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """Scrape `targets` (role to host:port) with our configuration and rules, only faster."""
    (folder / "rules.yml").write_text(yaml.safe_dump(_hurried_rules()))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_hurried_config(targets)))
    with started(folder, {}) as running:
        yield running


@contextmanager
def started(folder: Path, environment: Mapping[str, str], *options: str) -> Iterator[Prometheus]:
    """Start a server with the prometheus.yml of `folder`."""
    port = free_port()
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *options,
    ]
    with (folder / "prometheus.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | environment)
    try:
        running = Prometheus(port)
        _wait_until_ready(running, process, folder)
        yield running
    finally:
        process.kill()
        process.wait()


def _hurried_rules() -> Any:
    written = load(RULES)
    for group in written["groups"]:
        group["interval"] = "1s"
    return written


def _hurried_config(targets: Mapping[str, str]) -> Any:
    written = load(DEPLOY / "prometheus" / "prometheus.yml")
    [job] = [job for job in written["scrape_configs"] if job["job_name"] == "voxwarden"]
    static = [{"targets": [address], "labels": {"role": role}} for role, address in targets.items()]
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": written["rule_files"],
        "scrape_configs": [{"job_name": job["job_name"], "static_configs": static}],
    }


def _wait_until_ready(running: Prometheus, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            running.query("vector(1)")
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "prometheus.log").read_text()[-2000:]) from None
            time.sleep(0.1)
        else:
            return
