"""The processes of a run: workers of all roles, the gateway and three brokers, with a supervisor.

Like an orchestrator, the supervisor restarts processes that ended, and ends processes whose health probe reports a
stall. Such a process counts as hung. So does one that does not end within the grace period.
"""

import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from signal import SIGABRT, SIGTERM, Signals
from threading import Event, Lock, Thread
from types import TracebackType
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from benchmarks.chaos.people import TOKEN
from benchmarks.chaos.stores import ChaosStore
from benchmarks.report import say
from pipeline.contract.topology import STAGES
from pipeline.settings import Settings
from tests.broker import Cluster
from tests.ports import free_port
from tests.stream.processes import Process, environment

COPIES = 2
"""Workers of each role."""
LOOK_SECONDS = 2.0
PROBE_SECONDS = 5.0
SILENT_SECONDS = 180.0
"""A process without an answer to its probe for this long is hung. On a busy machine a start takes a minute."""


class Member:
    """A named process. While a trouble holds `busy`, the supervisor leaves the process alone."""

    def __init__(self, name: str, command: Sequence[str], settings: dict[str, str], folder: Path) -> None:
        port = free_port()
        mine = {"VOXWARDEN_METRICS__PORT": str(port), "PYTHONFAULTHANDLER": "1"}
        self.name = name
        self.busy = Lock()
        self.process = Process([sys.executable, "-m", *command], os.environ | settings | mine, folder / f"{name}.log")
        self._probe = f"http://127.0.0.1:{port}/healthz"
        self._answered = time.monotonic()

    @property
    def role(self) -> str:
        return self.name.partition("-")[0]

    def start(self) -> None:
        self.process.start()
        self.spare()

    def spare(self) -> None:
        """Restart the time without an answer."""
        self._answered = time.monotonic()

    def ill(self) -> str:
        """The process's problem; empty if there is none."""
        try:
            with urlopen(self._probe, timeout=PROBE_SECONDS):  # noqa: S310
                self.spare()
        except HTTPError as error:
            return error.read().decode().strip()
        except (URLError, OSError):
            silent = time.monotonic() - self._answered
            return f"no answer for {silent:.0f} s" if silent > SILENT_SECONDS else ""
        return ""


class Scene:
    """`with Scene(...) as scene` starts all processes, and ends them."""

    def __init__(self, settings: Settings, cluster: Cluster, store: ChaosStore, folder: Path, outage: float) -> None:
        self.settings, self.cluster, self.store = settings, cluster, store
        self.outage = outage
        """How long the brokers are away, in seconds."""
        self.happened: Counter[str] = Counter()
        self.hung: list[str] = []
        self.malformed: set[bytes] = set()
        """Values of the bad records that the broker has confirmed."""
        self.partitions = settings.kafka.partitions
        self.gateway_port = free_port()
        self.members: dict[str, Member] = {}
        self._folder = folder
        self._over = Event()
        self._supervisor = Thread(target=self._supervise, name="supervisor", daemon=True)
        self._stack = ExitStack()

    def __enter__(self) -> "Scene":
        roles = [stage.name for stage in STAGES]
        for role, number in itertools.product(roles, range(COPIES)):
            self._add(f"{role}-{number}", ["benchmarks.fast_worker", role])
        self._add("gateway-0", ["agents", "gateway"])
        self._supervisor.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop_supervising()
        self._stack.close()

    @property
    def workers(self) -> list[Member]:
        return [member for member in self.members.values() if member.role != "gateway"]

    @property
    def gateways(self) -> list[Member]:
        return self.of("gateway")

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.gateway_port}"

    def of(self, role: str) -> list[Member]:
        return [member for member in self.members.values() if member.role == role]

    def await_gateway(self, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while "port" not in self.gateways[0].process.log:
            if time.monotonic() > deadline:
                raise RuntimeError(f"The gateway does not start: {self.gateways[0].process.log[-2000:]}")
            time.sleep(0.2)

    def stop(self, member: Member, how: Signals = SIGTERM) -> None:
        """Send the signal and wait. A process that does not end within the grace period is hung."""
        if not member.process.alive:
            return
        try:
            member.process.stop(how)
        except subprocess.TimeoutExpired:
            self._end_hung(member, f"does not end after {how.name}")

    def stop_supervising(self) -> None:
        self._over.set()
        self._supervisor.join()

    def stop_all(self) -> None:
        """Stop the processes in order, each without a time limit. None is restarted."""
        self.stop_supervising()
        for member in self.members.values():
            self.stop(member)

    def pick(self, members: Sequence[Member], random: Random) -> Member:
        """A member that no other trouble holds, if there is one."""
        return random.choice([member for member in members if not member.busy.locked()] or list(members))

    def _add(self, name: str, command: Sequence[str]) -> None:
        gateway = {
            "VOXWARDEN_GATEWAY__PORT": str(self.gateway_port),
            "VOXWARDEN_GATEWAY__TOKENS": f'["{TOKEN}"]',
        }
        member = Member(name, command, environment(self.settings) | gateway, self._folder)
        self._stack.callback(member.process.close)
        self.members[name] = member

    def _supervise(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for member in self.members.values():
                if member.busy.acquire(blocking=False):
                    try:
                        self._look_after(member)
                    finally:
                        member.busy.release()

    def _look_after(self, member: Member) -> None:
        if not member.process.alive:
            self.happened[f"{member.role} ended by itself"] += 1
            say(f"{member.name} ended by itself: {member.process.log[-500:]}", style="red")
            member.start()
        elif problem := member.ill():
            self._end_hung(member, problem)
            member.start()

    def _end_hung(self, member: Member, problem: str) -> None:
        """SIGABRT makes the process write the stack of each thread into its log."""
        self.hung.append(f"{member.name}: {problem}")
        say(f"{member.name} hangs: {problem}", style="red")
        try:
            member.process.stop(SIGABRT)
        except subprocess.TimeoutExpired:
            member.process.kill()
