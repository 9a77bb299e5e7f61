"""The alert rules pass Prometheus' own tools, use existing metrics, and link to existing runbooks."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.stages import ONE_MACHINE
from pipeline.settings import MetricsServer
from tests.deploy.files import DEPLOY, ROOT, RULES, alerts, load, parsed, rules, unknown_names
from tests.deploy.prometheus import program
from tests.deploy.stack import SECRETS, services, stack
from tests.docs.pages import anchors

FOLDER = DEPLOY / "prometheus"
LESS_GARBAGE_COLLECTION = {"GOGC": "400"}


@pytest.mark.parametrize(
    "command",
    [
        ["promtool", "check", "rules", "rules.yml"],
        ["promtool", "test", "rules", "rules_test.yml"],
        ["promtool", "test", "rules", "rules_minutes_test.yml"],
        ["promtool", "test", "rules", "rules_objectives_test.yml"],
        ["promtool", "check", "config", "prometheus.yml"],
        ["amtool", "check-config", "alertmanager.yml"],
    ],
    ids=" ".join,
)
def test_the_tools_accept_the_rules(command: list[str]) -> None:
    done = subprocess.run(
        [program(command[0]), *command[1:]],
        cwd=FOLDER,
        env=os.environ | LESS_GARBAGE_COLLECTION,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("severity", "receiver"), [("page", "operators"), ("ticket", "operators"), ("none", "nobody")])
def test_each_severity_has_its_receiver(severity: str, receiver: str) -> None:
    command = [program("amtool"), "config", "routes", "test", "--config.file=alertmanager.yml", f"severity={severity}"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == receiver


def test_an_inhibition_names_existing_alerts() -> None:
    known = {alert["alert"] for alert in alerts()}
    for rule in load(FOLDER / "alertmanager.yml")["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            name, _, pattern = matcher.partition("=")
            if name == "alertname":
                chosen = [each for each in known if re.fullmatch(pattern.lstrip("~").strip('"'), each)]
                assert len(chosen) == 1 + pattern.count("|"), matcher


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_series_exists(rule: dict[str, Any]) -> None:
    assert not unknown_names(rule["expr"])


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_links_to_its_runbook(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket", "none"}
    notes = alert["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url"}
    page, _, anchor = notes["runbook_url"].partition("#")
    assert page == "{{ $externalLabels.runbooks }}"
    assert anchor in anchors(ROOT / "docs" / "runbooks.md")


def test_the_runbook_links_lead_to_existing_files() -> None:
    """Prometheus fills in the variable, compose sets it, and its default is a file of this repository."""
    labels = load(FOLDER / "prometheus.yml")["global"]["external_labels"]
    assert labels == {"runbooks": "${RUNBOOKS}"}
    assert (ROOT / services()["prometheus"]["environment"]["RUNBOOKS"]).is_file()
    assert stack(SECRETS | {"RUNBOOKS": "https://docs.example.org/operate"})["services"]["prometheus"][
        "environment"
    ] == {"RUNBOOKS": "https://docs.example.org/operate"}


def test_the_documented_configuration_of_one_machine_works(tmp_path: Path) -> None:
    """It has the job and the role that the rules name, and reads them from beside it."""
    page = (ROOT / "docs" / "operate.md").read_text("utf-8")
    [block] = re.findall(r"<!-- tests/deploy/test_rules.py checks this file. -->\n\n```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(block, "utf-8")
    shutil.copy(RULES, tmp_path)
    command = [program("promtool"), "check", "config", "prometheus.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [job] = parsed(block)["scrape_configs"]
    [target] = job["static_configs"]
    assert target["targets"] == [f"{MetricsServer().host}:{MetricsServer().port}"]
    assert (job["job_name"], target["labels"]) == ("voxwarden", {"role": ONE_MACHINE})


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    proofs = "".join(file.read_text("utf-8") for file in FOLDER.glob("rules_*test.yml"))
    assert [alert["alert"] for alert in alerts() if not re.search(rf"{alert['alert']}\b", proofs)] == []
