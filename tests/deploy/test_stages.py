"""The lines in deploy/ that name stages are up to date, and a new stage needs no other edit there."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from deploy.stages import COMMAND, FILES, OPTIONAL, files, main
from pipeline.contract.topology import STAGES
from tests.deploy.files import DEPLOY, load
from tests.deploy.prometheus import program
from tests.deploy.stack import stack
from tests.pipeline.tone import TONE

STORING = replace(TONE, name="archive", gives=(), stores=True)
ADDED = (*STAGES, TONE, STORING)


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_the_generated_lines_are_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == files()[path], f"The stages have changed: run {COMMAND}"


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of deploy/ after the command ran with two more stages beside transcribe."""
    copy = tmp_path_factory.mktemp("added") / "deploy"
    shutil.copytree(DEPLOY, copy)
    write(copy)
    return copy


def write(deploy: Path) -> None:
    for path, text in files(ADDED, deploy).items():
        path.write_text(text, "utf-8")


def check(folder: Path, *command: str) -> None:
    """Run a tool of Prometheus, and fail with its output."""
    line = [program(command[0]), *command[1:]]
    environment = os.environ | {"GOGC": "400"}
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_the_new_stages_the_command_writes_the_shipped_files_again(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path, dirs_exist_ok=True)
    write(tmp_path)
    assert [name for name in FILES if (tmp_path / name).read_bytes() == (DEPLOY / name).read_bytes()] == []
    main(tmp_path)
    assert [name for name in FILES if (tmp_path / name).read_bytes() != (DEPLOY / name).read_bytes()] == []


def test_a_new_stage_gets_a_service(added: Path) -> None:
    whole = stack(path=added / "compose.yaml")
    services = whole["services"]
    assert services["tone"] == services["segment"] | {"command": ["worker", "tone"]}
    assert services["archive"] == services["deliver"] | {"command": ["worker", "archive"]}
    assert services["archive"]["environment"]["VOXWARDEN_STORE__URL"].startswith("postgresql://")
    assert "VOXWARDEN_STORE__URL" not in services["tone"]["environment"]
    PyCompose.from_yaml(re.sub(r"(image: \S+):[\w.-]+@", r"\1@", yaml.safe_dump(whole)))


def test_a_stage_with_a_template_of_its_own_uses_it(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path, dirs_exist_ok=True)
    compose = tmp_path / "compose.yaml"
    template = "x-tone: &tone\n  <<: *worker\n  stop_grace_period: 90s\n\nservices:\n"
    compose.write_text(compose.read_text("utf-8").replace("services:\n  topics", f"{template}  topics"), "utf-8")
    write(tmp_path)
    services = stack(path=compose)["services"]
    assert services["tone"]["stop_grace_period"] == "90s"
    assert services["tone"]["command"] == ["worker", "tone"]
    assert services["archive"]["stop_grace_period"] == services["deliver"]["stop_grace_period"]


def roles(deploy: Path) -> list[str]:
    [job, _] = load(deploy / "prometheus" / "prometheus.yml")["scrape_configs"]
    names: list[str] = job["dns_sd_configs"][0]["names"]
    return names


def test_prometheus_scrapes_a_new_stage(added: Path) -> None:
    assert roles(added) == ["gateway", *(stage.name for stage in ADDED), "console", *OPTIONAL]
    check(added / "prometheus", "promtool", "check", "config", "prometheus.yml")


def test_the_shipped_tests_of_the_rules_need_no_edit(added: Path) -> None:
    check(added / "prometheus", "promtool", "test", "rules", "rules_test.yml", "rules_minutes_test.yml")


def rule_test(series: dict[str, str], expression: str, expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"eval_time": "5m", "expr": expression, "exp_samples": expected}],
    }


def test_an_alert_fires_if_a_new_stage_does_not_run(added: Path) -> None:
    """It names this stage only. With it, no role is missing."""
    up = {f'up{{job="voxwarden", role="{role}"}}': "1x40" for role in roles(added)}
    without = {name: values for name, values in up.items() if "tone" not in name}
    missing = 'count by (role) (ALERTS{alertname="VoxwardenRoleMissing", alertstate="firing"})'
    tests = [
        rule_test(without, missing, [{"labels": '{role="tone"}', "value": 1}]),
        rule_test(up, missing, []),
    ]
    promtool_tests(added, "missing_test.yml", tests)


def test_the_age_of_the_audio_is_that_of_the_slowest_path(added: Path) -> None:
    """Stages that run beside each other do not add up."""
    lags = {"segment": 9000, "transcribe": 1500, "judge": 100, "tone": 2000, "archive": 5000, "deliver": 1000}
    series = {
        f'voxwarden_{name}{{stage="{stage}"}}': values
        for stage, lag in lags.items()
        for name, values in {"lag_seconds": f"{lag}x40", "lag_messages": "9x40", "messages_total": "0+8x40"}.items()
    }
    slowest = [{"labels": '{path="tone-deliver"}', "value": 3000}]
    found = rule_test(series, "sum by (path) (topk(1, voxwarden:path_lag_seconds:sum))", slowest)
    promtool_tests(added, "path_test.yml", [found])


def promtool_tests(deploy: Path, name: str, tests: list[dict[str, Any]]) -> None:
    folder = deploy / "prometheus"
    written = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": tests}
    (folder / name).write_text(yaml.safe_dump(written), "utf-8")
    check(folder, "promtool", "test", "rules", name)


def test_an_outage_of_the_database_silences_the_stages_that_need_it(added: Path) -> None:
    check(added / "prometheus", "amtool", "check-config", "alertmanager.yml")
    written = load(added / "prometheus" / "alertmanager.yml")["inhibit_rules"]
    matchers = [matcher for rule in written for matcher in rule["target_matchers"]]
    assert 'role=~"deliver|archive|console"' in matchers
    assert 'stage=~"deliver|archive"' in matchers
