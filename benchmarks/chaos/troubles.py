"""The failures: each trouble is a class, and a schedule from a seed says when it strikes.

Troubles that are `rare` strike one at a time. The others strike whenever they are due.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from signal import SIGKILL, SIGTERM, Signals
from typing import ClassVar, Protocol

from kafka import TopicPartition
from kafka.admin import OffsetTimestamp
from kafka.errors import KafkaError, NoError

from agents.broker.kafka_clients import admin, producer, topic_name
from agents.loop.faust_app import group_of
from benchmarks.chaos.scene import Member, Scene
from benchmarks.report import say
from pipeline.base.errors import DependencyError
from pipeline.contract.topology import AUDIO, STAGES, TOPICS, Stage

RARE_SECONDS = 45.0
"""Time between two rare troubles."""
FREEZE_SECONDS = 40.0
LOCK_SECONDS = 20.0
EVIDENCE_SECONDS = 30.0
RESET_SECONDS = 30.0
RESET_TRIES = 60
GROWTH = 2
MALFORMED = 3
UNEVEN = (0.5, 1.5)
"""Lowest and highest interval, as a factor of the mean."""


class Trouble(Protocol):
    """`every` is the mean number of seconds between two of its kind, unless it is `rare`."""

    rare: ClassVar[bool]
    every: ClassVar[float]

    def strike(self, scene: Scene, random: Random) -> None:
        """Break something. Returns when it works again."""


class Frequent(Trouble):
    rare = False


class Rare(Trouble):
    rare = True
    every = RARE_SECONDS


class Kill(Frequent):
    """A worker gets SIGKILL: the kernel is out of memory, a machine is gone."""

    every = 20.0

    def strike(self, scene: Scene, random: Random) -> None:
        restart(scene, scene.pick(scene.workers, random), SIGKILL)


class Stop(Frequent):
    """A worker gets SIGTERM and is started again: a deployment, a node that is drained."""

    every = 20.0

    def strike(self, scene: Scene, random: Random) -> None:
        restart(scene, scene.pick(scene.workers, random), SIGTERM)


class KillGateway(Frequent):
    """The gateway gets SIGKILL: every client must reconnect and send again what was not acknowledged."""

    every = 90.0

    def strike(self, scene: Scene, random: Random) -> None:
        restart(scene, scene.pick(scene.gateways, random), SIGKILL)


class StopGateway(Frequent):
    """The gateway gets SIGTERM: it closes every connection with 1012."""

    every = 90.0

    def strike(self, scene: Scene, random: Random) -> None:
        restart(scene, scene.pick(scene.gateways, random), SIGTERM)


class Malformed(Frequent):
    """Another app writes invalid records into `voice.audio`."""

    every = 7.0

    def strike(self, scene: Scene, random: Random) -> None:
        client = producer(scene.settings.kafka)
        for _ in range(MALFORMED):
            value = f"noise {random.getrandbits(64)}".encode()
            key = f"room-{random.randrange(100)}".encode()
            client.send(topic_name(AUDIO, scene.settings.kafka), key=key, value=value).get(60)
            scene.malformed.add(value)
        client.close()


class Freeze(Rare):
    """A worker gets SIGSTOP for 40 s: a machine that swaps, a hypervisor that moves it. Then it continues unaware."""

    def strike(self, scene: Scene, random: Random) -> None:
        freeze(scene, scene.pick(scene.workers, random))


class FreezeGateway(Rare):
    """The gateway gets SIGSTOP for 40 s: handshakes time out, and clients leave half-open connections behind."""

    def strike(self, scene: Scene, random: Random) -> None:
        freeze(scene, scene.pick(scene.gateways, random))


class Evidence(Rare):
    """The storage of the clips is away for 30 s: a bucket does not answer, a disk is not mounted."""

    def strike(self, scene: Scene, random: Random) -> None:
        del random
        folder = scene.settings.data_dir / "evidence"
        folder.mkdir(exist_ok=True)
        away = folder.rename(folder.with_name("evidence-away"))
        folder.touch()  # a file in its place, else the workers would make a new folder
        note(scene, f"evidence away for {EVIDENCE_SECONDS:.0f} s", "evidence away")
        time.sleep(EVIDENCE_SECONDS)
        folder.unlink()
        away.rename(folder)


class Brokers(Rare):
    """Two brokers of three die and return: no record can be written meanwhile, and the cluster has no controller."""

    def strike(self, scene: Scene, random: Random) -> None:
        nodes = random.sample(scene.cluster.nodes, 2)
        note(scene, f"two brokers of three away for {scene.outage:.0f} s", "two brokers killed")
        scene.cluster.stop(nodes)
        time.sleep(scene.outage)
        scene.cluster.start(nodes)


class LockStore(Rare):
    """The store is locked for 20 s: a stuck backup, a migration. PostgreSQL then also drops its connections."""

    def strike(self, scene: Scene, random: Random) -> None:
        del random
        note(scene, f"store locked for {LOCK_SECONDS:.0f} s", "store locked")
        scene.store.refuse(LOCK_SECONDS)


class Reset(Rare):
    """A stage's consumer group is set back by 30 s: an operator wants records to be processed again."""

    def strike(self, scene: Scene, random: Random) -> None:
        stage = random.choice(STAGES)
        members = scene.of(stage.name)
        for member in members:
            member.busy.acquire()
        try:
            note(scene, f"group of {stage.name} set back by {RESET_SECONDS:.0f} s", "group reset")
            for member in members:
                scene.stop(member)
            set_back(scene, stage, RESET_SECONDS)
        finally:
            for member in members:
                member.start()
                member.busy.release()


class Grow(Rare):
    """Every topic gets more partitions: rooms move to another partition and worker in the middle of speech."""

    def strike(self, scene: Scene, random: Random) -> None:
        del random
        scene.partitions += GROWTH
        note(scene, f"{scene.partitions} partitions", "partitions added")
        names = [topic_name(topic, scene.settings.kafka) for topic in TOPICS]
        with admin(scene.settings.kafka) as client:
            client.create_partitions(dict.fromkeys(names, scene.partitions))


TROUBLES: dict[str, Trouble] = {
    "kill": Kill(),
    "stop": Stop(),
    "kill-gateway": KillGateway(),
    "stop-gateway": StopGateway(),
    "malformed": Malformed(),
    "freeze": Freeze(),
    "freeze-gateway": FreezeGateway(),
    "evidence": Evidence(),
    "brokers": Brokers(),
    "lock": LockStore(),
    "reset": Reset(),
    "grow": Grow(),
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A trouble that strikes `at` seconds after the start."""

    at: float
    trouble: Trouble
    seed: int


def plan(seconds: float, troubles: Sequence[Trouble], seed: int, apart: float = RARE_SECONDS) -> list[Planned]:
    """The schedule of a run. The same seed gives the same schedule. Each trouble strikes at least once.

    Rare ones are about `apart` seconds apart.
    """
    random = Random(seed)
    frequent = [
        (at, trouble) for trouble in troubles if not trouble.rare for at in _now_and_then(trouble, seconds, random)
    ]
    rare = list(_in_turn([trouble for trouble in troubles if trouble.rare], seconds, apart, random))
    return [
        Planned(at, trouble, random.getrandbits(32))
        for at, trouble in sorted([*frequent, *rare], key=lambda planned: planned[0])
    ]


def _now_and_then(trouble: Trouble, seconds: float, random: Random) -> Iterator[float]:
    least, most = UNEVEN
    at = random.uniform(0.3, 1.0) * min(trouble.every, seconds)
    while at < seconds:
        yield at
        at += random.uniform(least, most) * trouble.every


def _in_turn(
    troubles: Sequence[Trouble], seconds: float, apart: float, random: Random
) -> Iterator[tuple[float, Trouble]]:
    """Evenly over the run, in random order, each as often as any other."""
    if not troubles:
        return
    count = max(len(troubles), int(seconds / apart))
    order = itertools.cycle(random.sample(list(troubles), len(troubles)))
    for number, trouble in enumerate(itertools.islice(order, count)):
        yield seconds * (number + 0.5) / (count + 0.5), trouble


class Storm:
    """Runs the planned troubles, each in a thread of its own. Rare ones run one at a time."""

    def __init__(self, scene: Scene, planned: Sequence[Planned]) -> None:
        self._scene = scene
        self._planned = planned
        self._alone = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()

    def run(self, started: float) -> None:
        """`started` is in monotonic seconds. Returns when everything works again."""
        for planned in self._planned:
            if self._over.wait(max(0.0, started + planned.at - time.monotonic())):
                break
            thread = threading.Thread(target=self._strike, args=(planned,), daemon=True)
            thread.start()
            self._threads.append(thread)
        for thread in self._threads:
            thread.join()

    def _strike(self, planned: Planned) -> None:
        trouble, random = planned.trouble, Random(planned.seed)
        try:
            if not trouble.rare:
                trouble.strike(self._scene, random)
                return
            with self._alone:
                trouble.strike(self._scene, random)
        except (DependencyError, KafkaError) as error:  # it needs a broker that another trouble has stopped
            note(self._scene, f"{type(trouble).__name__} could not strike: {error}", "troubles that failed")


def restart(scene: Scene, member: Member, how: Signals) -> None:
    with member.busy:
        note(scene, f"{how.name} {member.name}", f"{how.name} {'gateway' if member.role == 'gateway' else 'worker'}")
        scene.stop(member, how)
        member.start()


def freeze(scene: Scene, member: Member) -> None:
    with member.busy:
        if not member.process.alive:
            member.start()
        note(scene, f"{member.name} frozen for {FREEZE_SECONDS:.0f} s", f"{member.role} frozen")
        member.process.freeze()
        time.sleep(FREEZE_SECONDS)
        member.process.thaw()
        member.spare()


def set_back(scene: Scene, stage: Stage, seconds: float) -> None:
    """As `kafka-consumer-groups.sh --reset-offsets --by-duration` does, but never forward. The group must be empty."""
    kafka = scene.settings.kafka
    group, topic = group_of(scene.settings, stage), topic_name(stage.takes[0], kafka)
    moment = OffsetTimestamp(int((time.time() - seconds) * 1000))
    with admin(kafka) as client:
        committed = client.list_group_offsets([group])[group]
        places = [place for place in committed if place.topic == topic]
        earlier = client.list_partition_offsets(dict.fromkeys(places, moment))
        wanted = {place: min(committed[place].offset, earlier[place].offset) for place in places}
        _retried(lambda: _set(client, group, {place: offset for place, offset in wanted.items() if offset >= 0}))


def _set(client: object, group: str, offsets: dict[TopicPartition, int]) -> bool:
    results = client.reset_group_offsets(group, offsets)  # type: ignore[attr-defined]
    return all(result["error"] is NoError for result in results.values())


def _retried(attempt: Callable[[], bool]) -> None:
    """A killed worker stays a member of its group for the session timeout of 6 s."""
    for _ in range(RESET_TRIES):
        if attempt():
            return
        time.sleep(0.5)
    raise DependencyError("The consumer group is not empty", "Stop its workers first.")


def note(scene: Scene, line: str, count: str) -> None:
    scene.happened[count] += 1
    say(f"{time.strftime('%H:%M:%S')} {line}", style="dim")
