"""Our Prometheus and Alertmanager, faster than in production, and all notifications of on-call."""

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from tests.deploy.files import DEPLOY, RULES, load
from tests.deploy.prometheus import START_SECONDS, Prometheus, program, started
from tests.deploy.stack import services
from tests.ports import free_port

DURATION = re.compile(r"(?<=\[)\d+[smhd](?=\])|(?<=offset )\d+[smhd]\b")
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
TARGETS = "targets.json"
TIMES = {"for", "keep_firing_for", "interval", "group_wait", "group_interval", "repeat_interval"}


class OnCall:
    """Receives notifications, as a pager would. `told` holds the alerts in order."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.extend(alert for alert in body["alerts"] if alert["status"] == "firing")
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing on the terminal."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def names(self) -> set[tuple[str, str]]:
        """Return the alerts, each with its subject."""
        return {(alert["labels"]["alertname"], subject_of(alert["labels"])) for alert in self.told}

    @contextmanager
    def listening(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()


ABOUT = ("dependency", "stage", "role", "room_type", "label")


def subject_of(labels: Mapping[str, str]) -> str:
    """Return what an alert is about, for example its stage; empty if it is about the whole service."""
    return next((labels[name] for name in ABOUT if name in labels), "")


def faster(value: Any, factor: float, key: str = "") -> Any:
    """Return the configuration with all its times divided by `factor`."""
    if isinstance(value, dict):
        return {name: faster(each, factor, name) for name, each in value.items()}
    if isinstance(value, list):
        return [faster(each, factor) for each in value]
    if key in TIMES:
        return _shorter(value, factor)
    return DURATION.sub(lambda found: _shorter(found[0], factor), value) if key == "expr" else value


def _shorter(duration: str, factor: float) -> str:
    return f"{round(1000 * int(duration[:-1]) * UNITS[duration[-1]] / factor)}ms"


@contextmanager
def notifying(folder: Path, targets: Mapping[str, str], on_call: OnCall, factor: float) -> Iterator[Prometheus]:
    """Scrape `targets` (role to host:port) and notify `on_call`. All times of the rules are divided by `factor`.

    The rules begin when all targets and the Alertmanager are known. Otherwise a fast rule fires in the first seconds,
    for example because a role seems to be missing. Prometheus drops this alert, and sends it again only after the
    resend delay. An alert that mutes others would not mute them meanwhile.
    """
    with on_call.listening(), _alertmanager(folder, on_call, factor) as address:
        config = faster(load(DEPLOY / "prometheus" / "prometheus.yml"), factor)
        [job, _] = config["scrape_configs"]
        announce(folder, targets)
        config["scrape_configs"] = [{"job_name": job["job_name"], "file_sd_configs": [{"files": [TARGETS]}]}]
        pace = _shorter("15s", factor)
        config["global"] |= {"scrape_interval": pace, "scrape_timeout": pace, "evaluation_interval": pace}
        config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [address]}]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        environment = services()["prometheus"]["environment"]
        delay = f"--rules.alert.resend-delay={_shorter('1m', factor)}"
        options = ("--enable-feature=expand-external-labels", "--web.enable-lifecycle", delay)
        with started(folder, environment, *options) as running:
            running.wait_for_all([f'count(up{{job="voxwarden"}}) == {len(targets)}'])
            running.wait_for_alertmanager()
            (folder / "rules.yml").write_text(yaml.safe_dump(faster(load(RULES), factor)))
            running.reload()
            yield running


def announce(folder: Path, targets: Mapping[str, str]) -> None:
    """Tell a running Prometheus its targets (role to host:port), as service discovery does."""
    found = [{"targets": [target], "labels": {"role": role}} for role, target in targets.items()]
    part = folder / "announced"
    part.write_text(json.dumps(found))
    part.replace(folder / TARGETS)


@contextmanager
def _alertmanager(folder: Path, on_call: OnCall, factor: float) -> Iterator[str]:
    """Start our Alertmanager, which notifies `on_call`, and give its address."""
    config = faster(load(DEPLOY / "prometheus" / "alertmanager.yml"), factor)
    operators = next(each for each in config["receivers"] if each["name"] == "operators")
    operators["webhook_configs"] = [{"url": on_call.url}]
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with (folder / "alertmanager.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ)
    try:
        _wait_until_ready(f"http://{address}/-/ready", process, folder / "alertmanager.log")
        yield address
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(url, timeout=5):  # noqa: S310 - our own server on loopback
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()[-2000:]) from None
            time.sleep(0.1)
