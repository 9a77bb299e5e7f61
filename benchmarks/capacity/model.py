"""The model of capacity: from what people do to CPU, bytes and processes. Its figures are fitted to measurements.

A role's CPU is a sum: so much for each process, and so much for each unit of its load. The least squares of the
relative errors decide, and no figure may be negative.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from benchmarks.capacity.measuring import CostMeasurement, StoreCost
from benchmarks.capacity.scene import BROKER, GATEWAY, Codec, Observation
from pipeline.contract.topology import TOPICS
from pipeline.settings import Settings

Matrix = NDArray[np.float64]

UNITS: dict[str, tuple[str, ...]] = {
    GATEWAY: ("process", "open", "sending_opus", "sending_pcm"),
    "segment": ("process", "sending_opus", "sending_pcm", "speech"),
    "transcribe": ("process", "speech"),
    "judge": ("process", "utterances"),
    "deliver": ("process", "utterances", "flags"),
    BROKER: ("process", "sending", "speech"),
}
"""The figures on which the CPU of each role depends."""

SENDING = 1.3
"""Seconds in which an app with silence suppression sends, for each second of speech."""
LARGEST_SHARE = 0.7
"""A process is full when it is this busy."""
THREADS = {"transcribe": 4, BROKER: 8}
"""Cores that one process can use, if more than one."""
REPLICAS = 3
"""Copies of each record on the brokers."""
KEPT_LONGER = 1.13
"""Kafka deletes whole segments, so it keeps records longer than it must."""


class SpeechLoad(Struct, frozen=True):
    """The speech and connections of people, on average in a second."""

    open: float
    """Open microphones."""
    sending: float
    """Microphones that send frames at the same time, also frames of silence."""
    speech: float
    """People who speak at the same time."""
    codec: Codec = "opus"
    flagged: float = 0.01
    """Flags to review or block for each utterance."""

    @classmethod
    def of(cls, opened: float, speech: float, codec: Codec = "opus", *, silence: bool, flagged: float) -> "SpeechLoad":
        """Return the load of an app that sends silence, too, or else a second of it after each sentence."""
        sending = opened if silence else min(opened, SENDING * speech)
        return cls(opened, sending, speech, codec, flagged)


class Need(Struct, frozen=True):
    """The resources that a load needs."""

    cores: dict[str, float]
    """Busy cores of each role."""
    processes: dict[str, int]
    bytes: dict[str, float]
    """Bytes a second: of each topic without replicas, of the clips (`evidence`) and of the store (`database`)."""
    utterances: float
    flags: float
    """Both a second."""

    @property
    def kafka(self) -> dict[str, float]:
        """Bytes a second that apps and workers write to each topic, without replicas."""
        return {name: size for name, size in self.bytes.items() if name not in {"evidence", "database"}}

    @property
    def kafka_disk(self) -> float:
        """Bytes that Kafka keeps, without replicas, for the default retention."""
        kept = {topic.name: 3600 * topic.retention_hours for topic in TOPICS}
        return KEPT_LONGER * sum(size * kept.get(name, 86_400) for name, size in self.kafka.items())


class Model(Struct, frozen=True):
    """Fitted figures. CPU is in seconds for a second of each unit."""

    cpu: dict[str, dict[str, float]]
    utterances: float
    """Utterances in a second of speech."""
    bytes: dict[str, float]
    """Bytes for each unit: `audio_opus` and `audio_pcm` of a microphone that sends for a second, `speech` of a second
    of speech, `texts` of an utterance, `evidence` of a flag."""
    store: dict[str, StoreCost]

    def need(self, load: SpeechLoad, processes: Mapping[str, int] = {}) -> Need:
        """Return the needs of `load`. Roles that are not in `processes` get as many processes as they need."""
        units = self.units(load)
        variable = {role: _sum(cost, units) for role, cost in self.cpu.items()}
        wanted = {role: _processes(role, busy) for role, busy in variable.items()}
        wanted[GATEWAY] = max(wanted[GATEWAY], math.ceil(load.open / Settings().gateway.max_connections))
        counts = wanted | {role: count for role, count in processes.items() if role in wanted}
        cores = {role: busy + counts[role] * self.cpu[role].get("process", 0.0) for role, busy in variable.items()}
        return Need(cores, counts, self._bytes(load, units), units["utterances"], units["flags"])

    def units(self, load: SpeechLoad) -> dict[str, float]:
        """Return the units of a load, each a second."""
        utterances = load.speech * self.utterances
        return {
            "open": load.open,
            "sending": load.sending,
            f"sending_{load.codec}": load.sending,
            "speech": load.speech,
            "utterances": utterances,
            "flags": utterances * load.flagged,
        }

    def _bytes(self, load: SpeechLoad, units: Mapping[str, float]) -> dict[str, float]:
        cost = self.store["postgresql"]
        return {
            "voice.audio": load.sending * self.bytes[f"audio_{load.codec}"],
            "voice.utterances": load.speech * self.bytes["speech"],
            "other topics": units["utterances"] * self.bytes["texts"],
            "evidence": units["flags"] * self.bytes["evidence"],
            "database": units["flags"] * cost.flag_bytes + units["utterances"] * cost.utterance_bytes,
        }


def load_of(observed: Observation) -> SpeechLoad:
    """Return the load of an observed scene: the audio that was sent, and the share of flags."""
    sent, scene = observed.sent, observed.scene
    return SpeechLoad(
        scene.rooms * (scene.microphones + scene.steady),
        sent.sending / sent.seconds,
        sent.speech / sent.seconds,
        scene.codec,
        observed.flags / max(observed.utterances, 1),
    )


def fitted(measured: CostMeasurement) -> Model:
    """Return the model that fits the observations in `measured.fit`."""
    found = measured.fit
    each_second = _total(found, lambda each: each.utterances) / _total(found, lambda each: each.sent.speech)
    bare = Model({}, each_second, _bytes_of(found), measured.store)
    rows = [bare.units(load_of(each)) for each in found]
    cpu = {role: _cost(role, names, found, rows) for role, names in UNITS.items()}
    return structs.replace(bare, cpu=cpu)


def _bytes_of(found: Sequence[Observation]) -> dict[str, float]:
    def ratio(topics: Sequence[str], of: Callable[[Observation], float], codec: str = "") -> float:
        chosen = [each for each in found if codec in {"", each.scene.codec}]
        return _total(chosen, lambda each: sum(each.bytes[topic] for topic in topics)) / max(_total(chosen, of), 1)

    return {
        "audio_opus": ratio(["voice.audio"], lambda each: each.sent.sending, "opus"),
        "audio_pcm": ratio(["voice.audio"], lambda each: each.sent.sending, "pcm"),
        "speech": ratio(["voice.utterances"], lambda each: each.sent.speech),
        "texts": ratio(["voice.transcripts", "voice.flags", "voice.speech"], lambda each: each.utterances),
        "evidence": ratio(["evidence"], lambda each: each.flags),
    }


def _total(found: Sequence[Observation], of: Callable[[Observation], float]) -> float:
    return sum(map(of, found))


def _cost(
    role: str, names: Sequence[str], found: Sequence[Observation], rows: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """Return the CPU of a role for each of its units."""
    units = [{**row, "process": float(each.processes.get(role, 1))} for row, each in zip(rows, found, strict=True)]
    table = np.array([[row.get(name, 0.0) for name in names] for row in units])
    busy = np.array([each.cpu[role] / each.sent.seconds for each in found])
    return dict(zip(names, least_squares(table, busy).tolist(), strict=True))


def least_squares(table: Matrix, values: Matrix) -> Matrix:
    """Return the factors, none of them negative, for which `table` times the factors is nearest to `values`.

    `table` has the shape (rows, factors). Errors are relative to the values.
    """
    scale = 1 / np.maximum(values, 0.01)
    best, least = np.zeros(table.shape[1]), math.inf
    for chosen in _subsets(table.shape[1]):
        factors = np.zeros(table.shape[1])
        factors[chosen] = np.linalg.lstsq(table[:, chosen] * scale[:, None], values * scale, rcond=None)[0]
        error = float(np.sum(((table @ factors - values) * scale) ** 2))
        if factors.min() >= 0 and error < least:
            best, least = factors, error
    return best


def _subsets(count: int) -> Iterator[list[int]]:
    """Yield all combinations of `count` columns but the empty one. The best one without negative factors is exact."""
    for size in range(1, count + 1):
        yield from map(list, combinations(range(count), size))


def _sum(cost: Mapping[str, float], units: Mapping[str, float]) -> float:
    return sum(factor * units.get(name, 0.0) for name, factor in cost.items() if name != "process")


def full(role: str) -> float:
    """Cores that a process of this role may be busy with."""
    return LARGEST_SHARE * THREADS.get(role, 1)


def _processes(role: str, busy: float) -> int:
    return max(1, math.ceil(busy / full(role)))
