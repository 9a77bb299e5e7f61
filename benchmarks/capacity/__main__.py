"""Measure the costs of voice rooms, and predict the needs of yours.

    python -m benchmarks.capacity measure [--seconds 60] [--out FILE]
    python -m benchmarks.capacity predict --rooms 200 --microphones 8 --speaking 0.5

`measure` starts Kafka, PostgreSQL, a gateway and a worker of each role, with Whisper `base`. People talk in real time
in scenes of several sizes. It takes 12 minutes, and writes FILE. A model is fitted to the small scenes. Then it
predicts a larger one, and the table compares both. All costs are CPU seconds of the processes, so other work on the
machine changes them little. The last table has the delays from the end of speech to its flag on Kafka.

`predict` needs no measurement: it reads the one that is kept beside this file. Use your own with `--measured FILE`.
docs/scale.md explains the results.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.table import Table

from benchmarks import report
from benchmarks.capacity.measuring import FIT, HELD_OUT, CostMeasurement, measure
from benchmarks.capacity.model import LARGEST_SHARE, REPLICAS, Model, Need, SpeechLoad, fitted, load_of
from benchmarks.capacity.scene import BROKER, GATEWAY, Observation

KEPT = Path(__file__).parent / "measured.json"
DAY = 86_400


def main(arguments: Sequence[str] | None = None) -> None:
    parser = report.parser(__doc__)
    commands = parser.add_subparsers(required=True)
    made = commands.add_parser("measure", help="measure this machine, and compare the model with a larger scene")
    made.add_argument("--seconds", type=float, default=60.0, help="length of a scene")
    made.add_argument("--out", type=Path, default=Path("measured.json"), help="file for the results")
    made.set_defaults(run=run_measure)
    asked = commands.add_parser("predict", help="what your rooms need: cores, processes, partitions, disks")
    asked.add_argument("--rooms", type=int, required=True, help="rooms at the busiest time")
    asked.add_argument("--microphones", type=float, required=True, help="open microphones in a room, on average")
    asked.add_argument("--speaking", type=float, default=0.5, help="people who speak at the same time in a room")
    asked.add_argument("--codec", choices=("opus", "pcm"), default="opus")
    asked.add_argument("--silence", action="store_true", help="your app also sends silence: no DTX, no muting")
    asked.add_argument("--flagged", type=float, default=0.01, help="share of the utterances to review or block")
    asked.add_argument("--gpu-speed", type=float, default=0.0, help="seconds of speech that a GPU transcribes a second")
    asked.add_argument("--measured", type=Path, default=KEPT, help="results of `measure`")
    asked.set_defaults(run=run_predict)
    options = parser.parse_args(arguments)
    options.run(options)


def run_measure(options: argparse.Namespace) -> None:
    found = measure(options.seconds, FIT, HELD_OUT)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    model = fitted(found)
    costs = Table("role", "CPU ms a second, for each", title=f"Costs, {found.date}, {found.machine}")
    for role, units in model.cpu.items():
        costs.add_row(role, ", ".join(f"{name} {1000 * cost:.2f}" for name, cost in units.items()))
    delays = Table("scene", "utterances", "p50 s", "p95 s", "p99 s", title="From the end of speech to its flag")
    for each in (*found.fit, *found.held_out):
        delays.add_row(str(each.scene), str(each.utterances), *(f"{delay:.2f}" for delay in each.delays))
    report.show(costs, *(compared(model, each) for each in found.held_out), delays)


def run_predict(options: argparse.Namespace) -> None:
    speech, opened = options.rooms * options.speaking, options.rooms * options.microphones
    load = SpeechLoad.of(opened, speech, options.codec, silence=options.silence, flagged=options.flagged)
    need = fitted(read(options.measured)).need(load)
    if options.gpu_speed:
        need.processes["transcribe"] = max(1, math.ceil(speech / (LARGEST_SHARE * options.gpu_speed)))
    report.show(*needed(need))


def read(path: Path) -> CostMeasurement:
    try:
        return msgspec.json.decode(path.read_bytes(), type=CostMeasurement)
    except (OSError, msgspec.MsgspecError) as error:
        sys.exit(f"{path} has no measurement: {error}. Run `python -m benchmarks.capacity measure --out {path}`.")


def compared(model: Model, observed: Observation) -> Table:
    table = Table("", "predicted", "measured", "ratio", title=str(observed.scene))
    for name, (predicted, seen) in comparison(model, observed).items():
        table.add_row(name, f"{predicted:,.3f}", f"{seen:,.3f}", f"{predicted / seen:.2f}" if seen else "")
    return table


def comparison(model: Model, observed: Observation) -> dict[str, tuple[float, float]]:
    """Return the prediction for the scene beside the measurement: busy cores, then kB a second."""
    seconds = observed.sent.seconds
    need = model.need(load_of(observed), observed.processes)
    cores = {f"cores: {role}": (need.cores[role], cpu / seconds) for role, cpu in observed.cpu.items()}
    texts = ("voice.transcripts", "voice.flags", "voice.speech")
    seen = observed.bytes | {"other topics": sum(observed.bytes[name] for name in texts)}
    sizes = {
        f"kB/s: {name}": (size / 1000, seen[name] / seconds / 1000) for name, size in need.bytes.items() if name in seen
    }
    total = (sum(each for each, _ in cores.values()), sum(each for _, each in cores.values()))
    return {"cores: all": total} | cores | sizes


def needed(need: Need) -> tuple[Table, Table]:
    roles, sizes = Table("role", "busy cores", "processes"), Table("what", "need")
    for role, cores in need.cores.items():
        roles.add_row(role, f"{cores:,.2f}", f"{need.processes.get(role, 1):,}")
    for name, value in {
        "partitions (kafka.partitions)": f"{partitions(need):,}",
        "Kafka, written, without replicas": f"{sum(need.kafka.values()) / 1e6:,.2f} MB/s",
        f"Kafka, disk, {REPLICAS} replicas": f"{REPLICAS * need.kafka_disk / 1e12:,.3f} TB",
        "utterances": f"{need.utterances:,.1f} a second",
        "flags": f"{need.flags * 3600:,.0f} an hour",
        "clips": f"{need.bytes['evidence'] * DAY / 1e9:,.2f} GB a day",
        "database": f"{need.bytes['database'] * DAY / 1e9:,.2f} GB a day",
    }.items():
        sizes.add_row(name, value)
    return roles, sizes


def partitions(need: Need) -> int:
    """Return twice the number of workers of the largest role, and at least 12."""
    return max(12, 2 * max(count for role, count in need.processes.items() if role not in {GATEWAY, BROKER}))


if __name__ == "__main__":
    main()
