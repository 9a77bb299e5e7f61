"""One run: people speak, failures are injected, and the result is judged."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from agents.broker import kafka_topics
from benchmarks.chaos import records, stores, tallied, verdict
from benchmarks.chaos.marks import FRAME
from benchmarks.chaos.people import Crowd, Decider, voices
from benchmarks.chaos.scene import Scene
from benchmarks.chaos.troubles import Planned, Storm
from benchmarks.chaos.verdict import ChaosVerdict
from benchmarks.report import say
from pipeline.base.errors import DependencyError
from pipeline.contract.topology import STAGES
from pipeline.settings import Kafka, Settings
from tests.broker import Cluster
from tests.speech import SpokenSpan, Voice

SPEAKERS = 2
PARTITIONS = 4
SETTLE_SECONDS = 240.0
"""All speech must be stored within this time after the last frame."""
SHOWN = 12
"""Number of faults of each kind that are printed in full."""


def run(
    folder: Path, seconds: float, rooms: int, seed: int, store_kind: str, planned: Sequence[Planned], outage: float
) -> ChaosVerdict:
    """Raises RuntimeError if a process that the run needs does not start."""
    audio = voices(rooms, SPEAKERS, seconds, seed)
    with ExitStack() as stack:
        store = stack.enter_context(stores.opened(store_kind, folder / "data"))
        cluster = stack.enter_context(Cluster(folder))
        kafka = Kafka(bootstrap=cluster.bootstrap, partitions=PARTITIONS, replication=3, connect_seconds=60)
        settings = Settings(kafka=kafka, data_dir=folder / "data", store=store.settings)
        kafka_topics.create(kafka)
        wanted = [
            stretch for voice, samples in audio.items() for stretch in verdict.stretches(voice, samples, settings)
        ]
        say(f"{len(audio)} speakers, {len(wanted)} stretches of speech in {seconds:.0f} s; seed {seed}")
        decider = stack.enter_context(Decider(settings))
        scene = stack.enter_context(Scene(settings, cluster, store, folder, outage))
        scene.await_gateway()
        crowd = Crowd(audio, scene.address)
        crowd.start()
        Storm(scene, planned).run(time.monotonic())
        if not crowd.wait(SETTLE_SECONDS):
            scene.hung.append("gateway-0: speakers could not send all their audio")
        scene.hung += crowd.refused
        settle(scene)
        scene.stop_all()
        say(f"events: {dict(sorted(scene.happened.items()))}")
        say(f"dropped by clients: {crowd.dropped:.1f} s; decisions: {decider.decided}")
        found = judged(scene, wanted, {voice: -(-samples.size // FRAME) for voice, samples in audio.items()})
        explain(found)
        return found


def settle(scene: Scene) -> None:
    """Wait until no record waits. A stage that still has work after that is counted as hung."""
    deadline = time.monotonic() + SETTLE_SECONDS
    waiting = {stage.name: 1 for stage in STAGES}
    while waiting and time.monotonic() < deadline:
        time.sleep(2)
        try:
            waiting = records.waiting(scene.settings)
        except DependencyError:
            continue
    scene.hung += [
        f"{member.name}: {count} records of its stage wait"
        for role, count in waiting.items()
        for member in scene.of(role)
    ]


def judged(scene: Scene, wanted: Sequence[SpokenSpan], counts: Mapping[Voice, int]) -> ChaosVerdict:
    settings = scene.settings
    uttered, flags = records.uttered(settings, counts), records.flagged(settings)
    delivered = [span for utterance in flags for span in uttered.get(utterance, [])]
    values, redelivered = records.dead_letters(settings)
    allowed = verdict.allowed_overlap(settings)
    return ChaosVerdict(
        stretches=len(wanted),
        flags=len(flags),
        lost=verdict.lost(wanted, delivered, records.logged(settings, counts), verdict.allowed_hole(settings)),
        overlapping=verdict.again(records.cases(settings), allowed),
        again=verdict.again(delivered, allowed),
        unexpected=[utterance for utterance in flags if not uttered.get(utterance)],
        hung=scene.hung,
        letters_lost=[value.decode() for value in sorted(scene.malformed - values)],
        silent=records.silent(settings),
        miscounted=tallied.miscounted(settings),
        malformed=len(scene.malformed),
        redelivered=redelivered,
    )


def explain(found: ChaosVerdict) -> None:
    """Print details for finding the cause."""
    for lost in found.lost[:SHOWN]:
        holes = ", ".join(f"{hole.start:.3f}-{hole.end:.3f}" for hole in lost.holes)
        where = "in the log" if lost.in_log else "never reached the log"
        say(f"  lost: {lost.stretch}: {holes}, {where}")
    for name in ("overlapping", "again", "unexpected", "silent", "hung", "letters_lost", "miscounted"):
        for fault in getattr(found, name)[:SHOWN]:
            say(f"  {name}: {fault}")
