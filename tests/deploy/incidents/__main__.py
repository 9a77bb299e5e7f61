"""Break parts of a live service one by one, and see which alerts on-call gets.

    python -m tests.deploy.incidents [--only worker,app] [--factor 10] [--model base] [--folder DIR]

A whole deployment runs: Kafka, PostgreSQL, Whisper, and a process of each role with the settings of the compose file.
Six people talk in four rooms through the gateway. Moderators decide each case in the console, and an app takes the
webhooks. Debian's Prometheus scrapes all roles with the rules of deploy/, and its Alertmanager has our settings.

Only the times are shorter: all windows and waits of the rules, the scrape interval and the times of Alertmanager are
divided by --factor. The processes and the limits of the alerts keep their real speed and size.

After each incident, the command waits until all its alerts are over, because late alerts count, too. At the end, it
asks for each expression of each dashboard whether it had a value during the run.

told      notifications, with the seconds after the beginning of the incident
missing   alerts that should have come
others    alerts that should not have come
muted     alerts that fired, but of which nobody was told, because another alert explains them

The exit code is 0 if no alert is missing, no other one came, and no expression is without a value. Else it is 1.
A full run takes about 50 minutes. The incidents:

"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.deploy.incidents.incidents import INCIDENTS, LiveIncident
from tests.deploy.incidents.service import deployed
from tests.deploy.incidents.watch import AlertWatch, Observed
from tests.deploy.notified import OnCall, notifying
from tests.stream.roles import until

FLOWING = ['voxwarden:slo:burn_rate1h{slo="flag"}', "sum(voxwarden_decisions_total) > 0"]
"""Flags are stored, and moderators decide."""

say = partial(Console(stderr=True, highlight=False).print, soft_wrap=True)


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    chosen = {name: INCIDENTS[name] for name in options.only.split(",")}
    with _folder(options.folder) as place:
        rows, (count, empty) = run(Path(place), chosen, options.factor, options.model)
    show(rows)
    print(f"{count} expressions of the dashboards; without a value: {len(empty)}")
    print(*(f"  {each}" for each in empty), sep="\n")
    bad = [seen for incident, seen in rows if seen.missing(incident) or seen.others(incident)]
    return int(bool(bad or empty))


def run(
    place: Path, chosen: dict[str, LiveIncident], factor: float, model: str
) -> tuple[list[tuple[LiveIncident, Observed]], tuple[int, list[str]]]:
    """Return what was seen of each incident, then the number of expressions and those without a value."""
    on_call, began = OnCall(), time.time()
    with deployed(place, model) as service, notifying(service.figures, service.targets, on_call, factor) as figures:
        until(lambda: all(map(figures.query, FLOWING)), "no flag is stored, or no case is decided")
        watch = AlertWatch(service, figures, on_call, factor)
        say("calm" if watch.calm() else "not calm")
        return [(each, seen) for each, seen in observed(watch, chosen)], watch.empty(began)


def observed(watch: AlertWatch, chosen: dict[str, LiveIncident]) -> Iterator[tuple[LiveIncident, Observed]]:
    for name, incident in chosen.items():
        seen = watch.observe(incident)
        say(f"{time.strftime('%H:%M:%S')} {name}: told {seen.told}, muted {sorted(seen.muted)}, calm {seen.calm}")
        yield incident, seen


def show(rows: list[tuple[LiveIncident, Observed]]) -> None:
    table = Table("incident", "told", "missing", "others", "muted")
    for incident, seen in rows:
        told = [f"{name} ({seconds:.0f} s)" for name, seconds in seen.told.items()]
        lists = (told, seen.missing(incident), seen.others(incident), sorted(seen.muted))
        table.add_row(incident.what, *("\n".join(each) for each in lists))
    Console().print(table)


def _folder(given: Path | None) -> AbstractContextManager[str]:
    if given is None:
        return tempfile.TemporaryDirectory(prefix="incidents-")
    given.mkdir(parents=True, exist_ok=True)
    return nullcontext(str(given))


def parser() -> argparse.ArgumentParser:
    names = "\n".join(f"{name:<12}{incident.what}" for name, incident in INCIDENTS.items())
    made = argparse.ArgumentParser(
        description=f"{__doc__}{names}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--only", default=",".join(INCIDENTS), help="names, separated by commas (default: all)")
    made.add_argument("--factor", type=float, default=10.0, help="how much faster than in production (default: 10)")
    made.add_argument("--model", default="base", help="size of Whisper; tiny.en needs less CPU (default: base)")
    made.add_argument("--folder", type=Path, help="an empty folder for logs and data (default: a temporary one)")
    return made


if __name__ == "__main__":
    sys.exit(main())
