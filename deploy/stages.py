"""Write the lines in deploy/ that name the stages of `topology.py`: services, targets, alerts, roles in Helm.

Run it with `python -m deploy.stages` after a change of STAGES. It replaces only the lines between `# begin NAME` and
`# end NAME`. The other lines of these files are written by hand.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import indent

from pipeline.contract.topology import SPEECH, STAGES, UTTERANCES, Stage, Topic

COMMAND = "python -m deploy.stages"
DEPLOY = Path(__file__).parent
FILES = (
    "compose.yaml",
    "prometheus/prometheus.yml",
    "prometheus/rules.yml",
    "prometheus/alertmanager.yml",
    "helm/voxwarden/roles.yaml",
)
BLOCK = re.compile(r"^(( *)# begin ([\w-]+).*\n)[\s\S]*?^( *# end \3)$", re.MULTILINE)

ONE_MACHINE = "run"  # the role of `voxwarden run`, which does the work of all roles
OPTIONAL = ("api", "livekit")  # roles that a deployment may leave out, beside the stages that a setting switches on

Stages = Sequence[Stage]


def main(deploy: Path = DEPLOY) -> None:
    for path, text in files(STAGES, deploy).items():
        path.write_text(text, encoding="utf-8")


def files(stages: Stages = STAGES, deploy: Path = DEPLOY) -> dict[Path, str]:
    """The expected content of each file that has generated lines. Raises KeyError for a block with an unknown name."""
    return {deploy / name: _filled((deploy / name).read_text(encoding="utf-8"), stages) for name in FILES}


def _filled(text: str, stages: Stages) -> str:
    def fill(found: re.Match[str]) -> str:
        begin, margin, name, end = found.groups()
        lines = _services(stages, text) if name == "services" else BLOCKS[name](stages)
        return begin + indent("\n".join(lines), margin) + "\n" + end

    return BLOCK.sub(fill, text)


def _services(stages: Stages, compose: str) -> list[str]:
    return [f"{s.name}: {{<<: *{_template(s, compose)}, {_profile(s)}command: [worker, {s.name}]}}" for s in stages]


def _profile(stage: Stage) -> str:
    """A service that a deployment may leave out starts only with `docker compose --profile NAME`."""
    return f"profiles: [{stage.name}], " if stage.switch else ""


def _template(stage: Stage, compose: str) -> str:
    """The anchor in compose.yaml that the service of the stage starts from: its own one, if there is one."""
    if f" &{stage.name}\n" in compose:
        return stage.name
    if stage.stores:
        return "storing-worker"
    return "reading-worker" if stage.reads_store else "worker"


def _scraped(stages: Stages) -> list[str]:
    return [f"names: [{', '.join(['gateway', *(stage.name for stage in stages), 'console', *OPTIONAL])}]"]


def _workers(stages: Stages) -> list[str]:
    """The facts about a stage in the Helm chart. Its values, for example resources, are in values.yaml."""
    return [_worker(stage) for stage in stages]


def _worker(stage: Stage) -> str:
    topics = ", ".join(topic.name for topic in stage.takes)
    needs = {"kafka": True, "database": stage.stores or stage.reads_store, "clips": stage.stores}
    needed = ", ".join(f"{name}: true" for name, need in needs.items() if need)
    return f"{stage.name}: {{command: [worker, {stage.name}], topics: [{topics}], {needed}}}"


def _missing(stages: Stages) -> list[str]:
    """The expression of the alert for missing roles. With `voxwarden run` alone, no role is missing."""
    roles = _roles(stages)
    # One `absent` for each role: PromQL has no series for a role that never ran.
    first, *rest = [f'absent(up{{job="voxwarden", role="{role}"}})' for role in roles]
    absent = [f"    {first}", *(f"      or {each}" for each in rest)]
    others = f'up{{job="voxwarden", role=~"{"|".join(roles)}"}}'
    alone = f'(up{{job="voxwarden", role="{ONE_MACHINE}"}} unless on () {others})'
    return ["expr: |", "  (", *absent, "  ) unless on ()", f"    {alone}"]


def _roles(stages: Stages) -> list[str]:
    """The roles that every deployment has."""
    return ["gateway", *(stage.name for stage in stages if not stage.switch), "console"]


def _path_lags(stages: Stages) -> list[str]:
    return [line for path in dict.fromkeys(_paths(UTTERANCES, stages)) for line in _path_lag(path)]


def _path_lag(path: Sequence[str]) -> list[str]:
    return [
        "- record: voxwarden:path_lag_seconds:sum",
        f"  labels: {{path: {'-'.join(path)}}}",
        f'  expr: sum(voxwarden:lag_seconds:max{{stage=~"{"|".join(path)}"}})',
    ]


def _paths(topic: Topic, stages: Stages) -> Iterator[tuple[str, ...]]:
    """Each path of speech from the topic to a stage that reads audio, as the names of its stages.

    No audio is read for the statuses in SPEECH. A stage that may be left out is on no path: it never waits for long.
    """
    for stage in (each for each in stages if topic in each.takes and not each.switch):
        if stage.reads_audio:
            yield (stage.name,)
        speech = [given for given in stage.gives if given is not SPEECH]
        yield from ((stage.name, *rest) for given in speech for rest in _paths(given, stages))


def _storing_roles(stages: Stages) -> list[str]:
    return [f'- role=~"{"|".join([*_storing(stages), "console"])}"']


def _storing_stages(stages: Stages) -> list[str]:
    return [f'- stage=~"{"|".join(_storing(stages))}"']


def _storing(stages: Stages) -> list[str]:
    return [stage.name for stage in stages if stage.stores]


BLOCKS: dict[str, Callable[[Stages], list[str]]] = {
    "roles": _scraped,
    "workers": _workers,
    "missing-roles": _missing,
    "path-lags": _path_lags,
    "storing-roles": _storing_roles,
    "storing-stages": _storing_stages,
}

if __name__ == "__main__":
    main()
