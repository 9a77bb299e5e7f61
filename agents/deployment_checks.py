"""Checks of a whole deployment, from one machine: the shared parts by the settings, and each process by its address.

Nothing is created or changed, and no event is sent.
"""

import socket
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from importlib.metadata import version
from urllib.parse import urlsplit

import httpx
from prometheus_client.parser import text_string_to_metric_families

from agents.broker import kafka_topics
from agents.broker.kafka_clients import admin
from agents.loop.faust_app import group_of, version_of
from agents.loop.lag import Lag
from agents.machine_checks import DoctorCheck, check_both_sources, check_evidence, check_live_policy, check_store, reach
from pipeline.base.errors import ConfigError, DependencyError, VoxwardenError
from pipeline.contract.topology import STAGES, Stage
from pipeline.review.database import UNRELEASED, UNRELEASED_REMEDY, clock_of, only_added_to, revisions
from pipeline.settings import Settings

ANSWER_SECONDS = 5.0
# Clocks that differ by more are a fault. HTTP tells the time in whole seconds.
CLOCK_SECONDS = 2.0
BUILD = "voxwarden_build_info"

Running = defaultdict[str, list[str]]
"""By version (empty: unknown): the stage of each worker that Kafka knows, and the addresses of the named processes."""


def checks(settings: Settings, processes: Sequence[str], services: Sequence[str]) -> Iterator[DoctorCheck]:
    """Yield the checks. `processes` are the addresses (HOST:PORT) of metrics; a host may have several addresses.

    `services` are URLs of gateways, consoles and APIs.
    """
    running: Running = defaultdict(list)
    yield DoctorCheck("Kafka topics", _topics)
    for stage in (each for each in STAGES if each.is_on(settings)):
        yield DoctorCheck(f"workers of {stage.name}", partial(_group, stage=stage, running=running))
    yield DoctorCheck("review store", check_store)
    yield DoctorCheck("tables of the store", _tables)
    yield DoctorCheck("clock of the store", _store_clock)
    yield DoctorCheck("live policy", check_live_policy)
    yield DoctorCheck("words with second ear", check_both_sources)
    yield DoctorCheck("evidence", check_evidence)
    if settings.webhooks.url:
        yield DoctorCheck("webhook receiver", _receiver)
    for process in processes:
        yield from _processes(process, running)
    for service in services:
        yield DoctorCheck(service, partial(_service, url=service))
    yield DoctorCheck("versions", partial(_versions, running=running))


def _topics(settings: Settings) -> str:
    reach(settings.kafka.bootstrap)
    found = kafka_topics.plans(settings.kafka)
    faults = [f"{plan.name} is missing" for plan in found if plan.missing]
    faults += [f"{plan.name}: {', '.join(plan.differences)}" for plan in found if plan.differences]
    if faults:
        raise ConfigError("; ".join(faults), "Run `voxwarden topics create`, or see `voxwarden topics check`.")
    wanted = found[0].wanted
    return (
        f"{settings.kafka.bootstrap}, {len(found)} topics, {wanted['partitions']} partitions, replication "
        f"{wanted['replication']}, records of at most {wanted['max.message.bytes']:,} bytes"
    )


def _group(settings: Settings, stage: Stage, running: Running) -> str:
    """Look for members of a stage's consumer group and their versions, and count the records that wait for it."""
    reach(settings.kafka.bootstrap)
    name = group_of(settings, stage)
    with admin(settings.kafka) as client:
        members = client.describe_groups([name])[name]["members"]
    for member in members:
        running[version_of(member["client_id"])].append(stage.name)
    lag = Lag(stage, settings)
    try:
        waiting = sum(place.lag for place in lag.places().values())
    finally:
        lag.close()
    if not members:
        raise DependencyError(f"no worker; {waiting:,} records wait", f"Start `voxwarden worker {stage.name}`.")
    return f"{len(members)}; {waiting:,} records wait"


def _tables(settings: Settings) -> str:
    current, newest, known = revisions(settings.database_url)
    if current == newest:
        return f"migration {current}"
    if only_added_to(current):
        return f"migration {current} of a newer version, which only added to {newest}"
    if current is None or known:
        raise ConfigError(
            f"migration {current or 'none'}, this version has {newest}", "The start of deliver or the console migrates."
        )
    if current in UNRELEASED:
        raise ConfigError(f"migration {current} of a build that was not released", UNRELEASED_REMEDY)
    raise ConfigError(f"migration {current} of a newer version", "Update Voxwarden on this machine.")


def _store_clock(settings: Settings) -> str:
    before = time.time()
    there = clock_of(settings.database_url)
    return _difference(there - (before + time.time()) / 2)  # the database looked at its clock about halfway


def _difference(seconds: float) -> str:
    if abs(seconds) > CLOCK_SECONDS:
        raise ConfigError(f"{seconds:+.1f} s from this machine's clock", "Synchronise both clocks with NTP.")
    return f"within {CLOCK_SECONDS:g} s of this machine's clock"


def _receiver(settings: Settings) -> str:
    """Open a connection to the receiver of webhooks, and send nothing."""
    url = urlsplit(settings.webhooks.url or "")
    port = url.port or (443 if url.scheme == "https" else 80)
    _connect(url.hostname or "", port, "Start your receiver, or correct webhooks.url.")
    return f"{url.hostname}:{port} takes connections"


def _connect(host: str, port: int, remedy: str) -> None:
    try:
        socket.create_connection((host, port), ANSWER_SECONDS).close()
    except OSError as error:
        raise DependencyError(f"nobody answers at {host}:{port}: {error.strerror or error}", remedy) from error


def _versions(_: Settings, running: Running) -> str:
    """Compare the versions that the checks before have found."""
    told = "; ".join(
        f"{name or 'unknown'}: {', '.join(f'{number} {who}' for who, number in sorted(Counter(found).items()))}"
        for name, found in sorted(running.items())
    )
    if len(running) > 1:
        raise ConfigError(f"mixed: {told}", "Finish the upgrade, or roll it back.")
    return told or "no process has told its version"


def _processes(process: str, running: Running) -> Iterator[DoctorCheck]:
    """Yield the check of each address of a host: a service of replicas has several."""
    try:
        for address in addresses(process):
            shown = process if address == process else f"{process} ({address})"
            yield DoctorCheck(shown, partial(_process, address=address, running=running))
    except VoxwardenError as error:
        yield DoctorCheck(process, partial(_raise, error=error))


def addresses(process: str) -> list[str]:
    """Return the addresses of HOST:PORT, each as IP:PORT. Raises ConfigError if it is written otherwise."""
    host, _, port = process.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"{process} is no address of metrics", "Write HOST:PORT, e.g. judge:9108.")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, OverflowError) as error:
        raise DependencyError(f"The host {host} is unknown: {error}", "Correct the address, or start it.") from error
    hosts = dict.fromkeys(str(each[4][0]) for each in found)
    return [f"[{each}]:{port}" if ":" in each else f"{each}:{port}" for each in hosts]


def _raise(_: Settings, error: VoxwardenError) -> str:
    raise error


def _process(_: Settings, address: str, running: Running) -> str:
    """Ask a process whether it is ready, for its version, and for its time."""
    ready = _get(f"http://{address}/readyz", "Start the process, or open its metrics.port to this machine.")
    if ready.status_code != httpx.codes.OK:
        raise DependencyError("; ".join(ready.text.split("\n")).strip("; "), "See the log of the process.")
    clock = _difference(_time_of(ready) - time.time())
    figures = _get(f"http://{address}/metrics", "Another program listens there: correct the address.").text
    found = _version(figures)
    running[found].append(address)
    if found != version("voxwarden"):
        raise ConfigError(
            f"version {found or 'unknown'}, this machine has {version('voxwarden')}", "Run one version everywhere."
        )
    return f"ready, version {found}, clock {clock}"


def _get(url: str, remedy: str) -> httpx.Response:
    try:
        # Not through a proxy of the environment, whose answers say nothing of the process.
        return httpx.get(url, timeout=ANSWER_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DependencyError(f"{url} does not answer: {error}", remedy) from error


def _time_of(answer: httpx.Response) -> float:
    try:
        return parsedate_to_datetime(answer.headers["date"]).timestamp() + 0.5  # HTTP leaves out the fraction
    except (KeyError, ValueError) as error:
        raise DependencyError("the answer has no time", "Another program listens there.") from error


def _version(figures: str) -> str:
    """Return the version in Prometheus's text; empty if there is none."""
    try:
        families = list(text_string_to_metric_families(figures))
    except ValueError:
        return ""
    samples = [sample for family in families for sample in family.samples if sample.name == BUILD]
    return samples[0].labels.get("version", "") if samples else ""


def _service(_: Settings, url: str) -> str:
    """Ask a gateway, console or API. The first answers with an error, because it expects a WebSocket."""
    remedy = "Start it, or correct the URL."
    answer = _get(url.replace("ws", "http", 1) if url.startswith("ws") else url, remedy)
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise DependencyError(f"{url} answers {answer.status_code}", remedy)
    return f"answers {answer.status_code}, clock {_difference(_time_of(answer) - time.time())}"
