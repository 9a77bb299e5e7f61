"""Measure the costs of voice rooms, predict the needs of yours, and simulate growth to a million open microphones.

    python -m benchmarks.capacity measure [--seconds 60] [--out FILE]
    python -m benchmarks.capacity predict --rooms 200 --microphones 8 --speaking 0.5
    python -m benchmarks.capacity simulate

`measure` starts Kafka, PostgreSQL, a gateway and a worker of each role, with Whisper `base`. People talk in real time
in scenes of several sizes. It takes 12 minutes, and writes FILE. A model is fitted to the small scenes. Then it
predicts a larger one, and the table compares both. All costs are CPU seconds of the processes, so other work on the
machine changes them little.

`predict` and `simulate` need no measurement: they read the one that is kept beside this file. Use your own with
`--measured FILE`. docs/sizing.md explains the results.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.capacity.growth import AssumedLimits, Change, Growth, kafka_bytes, kafka_disk, simulate, world_of
from benchmarks.capacity.measuring import FIT, HELD_OUT, CostMeasurement, measure
from benchmarks.capacity.model import REPLICAS, Model, Need, SpeechLoad, fitted, load_of
from benchmarks.capacity.scene import Observation

KEPT = Path(__file__).parent / "measured.json"
DAY = 86_400
SIZES = [round(10 ** (2 + step / 4)) for step in range(17)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    made = commands.add_parser("measure", help="measure this machine, and compare the model with a larger scene")
    made.add_argument("--seconds", type=float, default=60.0, help="length of a scene")
    made.add_argument("--out", type=Path, default=Path("measured.json"), help="file for the results")
    made.set_defaults(run=run_measure)
    asked = commands.add_parser("predict", help="what your rooms need: cores, processes, partitions, disks, cost")
    asked.add_argument("--rooms", type=int, required=True, help="rooms at the busiest time")
    asked.add_argument("--microphones", type=float, required=True, help="open microphones in a room, on average")
    asked.add_argument("--speaking", type=float, default=0.5, help="people who speak at the same time in a room")
    asked.add_argument("--codec", choices=("opus", "pcm"), default="opus")
    asked.set_defaults(run=run_predict)
    grown = commands.add_parser("simulate", help="grow to a million open microphones, and name each bottleneck")
    grown.add_argument("--speaking", type=float, default=0.05, help="share of the open microphones that speak")
    grown.add_argument("--most", type=int, default=SIZES[-1], help="largest number of open microphones")
    grown.set_defaults(run=run_simulate)
    for each in (asked, grown):
        _common(each)
    options = parser.parse_args(arguments)
    options.run(options)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--silence", action="store_true", help="your app also sends silence: no DTX, no muting")
    parser.add_argument("--flagged", type=float, default=0.01, help="share of the utterances to review or block")
    parser.add_argument(
        "--gpu-speed", type=float, default=0.0, help="seconds of speech that one GPU transcribes a second"
    )
    parser.add_argument("--core", type=float, help="price of a core for a month; without it, no cost is shown")
    parser.add_argument("--gpu", type=float, default=0.0, help="price of a GPU for a month")
    parser.add_argument("--terabyte", type=float, default=0.0, help="price of a TB of disk for a month")
    parser.add_argument("--measured", type=Path, default=KEPT, help="results of `measure`")


def run_measure(options: argparse.Namespace) -> None:
    found = measure(options.seconds, FIT, HELD_OUT)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    show_measured(found)


def run_predict(options: argparse.Namespace) -> None:
    speech = options.rooms * options.speaking
    opened = options.rooms * options.microphones
    load = SpeechLoad.of(opened, speech, options.codec, silence=options.silence, flagged=options.flagged)
    model, limits = fitted(read(options.measured)), AssumedLimits(gpu_speed=options.gpu_speed)
    need = model.need(load)
    workers = Growth(model, limits).workers(need)
    show_need(need, workers, partitions(workers), options)


def run_simulate(options: argparse.Namespace) -> None:
    sizes = [size for size in SIZES if size <= options.most]
    growth = Growth(fitted(read(options.measured)), AssumedLimits(gpu_speed=options.gpu_speed))
    worlds = [world_of(size, options.speaking, options.flagged, silence=options.silence) for size in sizes]
    show_changes(list(simulate(growth, track(worlds, "growing", console=Console(stderr=True), transient=True))))
    world = worlds[-1]
    need = growth.need(world)
    Console(width=120).print(f"\n{world.microphones:,} open microphones in {len(world.sizes):,} rooms need:")
    show_need(need, growth.workers(need), growth.state.partitions, options)


def read(path: Path) -> CostMeasurement:
    try:
        return msgspec.json.decode(path.read_bytes(), type=CostMeasurement)
    except (OSError, msgspec.MsgspecError) as error:
        sys.exit(f"{path} has no measurement: {error}. Run `python -m benchmarks.capacity measure --out {path}`.")


def show_measured(found: CostMeasurement) -> None:
    """Print the fitted costs, and the model beside the scenes that it did not see."""
    model = fitted(found)
    table = Table("role", "CPU ms a second, for each", title=f"Costs, {found.date}, {found.machine}")
    for role, costs in model.cpu.items():
        table.add_row(role, ", ".join(f"{name} {1000 * cost:.2f}" for name, cost in costs.items()))
    Console(width=120).print(table)
    for observed in found.held_out:
        show_comparison(model, observed)


def show_comparison(model: Model, observed: Observation) -> None:
    table = Table("", "predicted", "measured", "ratio", title=str(observed.scene))
    for name, (predicted, seen) in comparison(model, observed).items():
        table.add_row(name, f"{predicted:,.3f}", f"{seen:,.3f}", f"{predicted / seen:.2f}" if seen else "")
    Console(width=120).print(table)


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


def show_changes(changes: Sequence[Change]) -> None:
    """Print each bottleneck at the size at which it came first, and each later change of the partitions."""
    table = Table("open microphones", "what is full", "change")
    known: set[str] = set()
    for change in changes:
        kind = change.bottleneck.split(":")[0].split("(")[0]
        if kind not in known or "partitions" in change.remedy:
            table.add_row(f"{change.microphones:,}", change.bottleneck, change.remedy)
        known.add(kind)
    Console(width=140).print(table)


def show_need(need: Need, processes: Mapping[str, int], parts: int, options: argparse.Namespace) -> None:
    table = Table("role", "busy cores", "processes")
    for role, cores in need.cores.items():
        table.add_row(role, f"{cores:,.2f}", f"{processes.get(role, 1):,}")
    Console(width=120).print(table)
    rows = {
        "partitions (kafka.partitions)": f"{parts:,}",
        "Kafka, written, without replicas": f"{sum(kafka_bytes(need).values()) / 1e6:,.2f} MB/s",
        f"Kafka, disk, {REPLICAS} replicas": f"{REPLICAS * kafka_disk(need) / 1e12:,.3f} TB",
        "utterances": f"{need.utterances:,.1f} a second",
        "flags": f"{need.flags * 3600:,.0f} an hour",
        "clips": f"{need.bytes['evidence'] * DAY / 1e9:,.2f} GB a day",
        "database": f"{need.bytes['database'] * DAY / 1e9:,.2f} GB a day",
    }
    if options.core:
        rows["cost"] = f"{cost(need, processes, options):,.0f} a month"
    sizes = Table("what", "need")
    for name, value in rows.items():
        sizes.add_row(name, value)
    Console(width=120).print(sizes)


def partitions(processes: Mapping[str, int]) -> int:
    """Return twice the number of workers of the largest role, and at least 12."""
    return max(12, 2 * max(count for role, count in processes.items() if role not in {"gateway", "broker"}))


def cost(need: Need, processes: Mapping[str, int], options: argparse.Namespace) -> float:
    """Return the price of a month: cores at 70 %, GPUs, and the disks of Kafka and of a month of clips and rows."""
    gpus = processes["transcribe"] if options.gpu_speed else 0
    cores = sum(busy for role, busy in need.cores.items() if not (gpus and role == "transcribe"))
    kept = REPLICAS * kafka_disk(need) + 30 * DAY * (need.bytes["evidence"] + need.bytes["database"])
    return float(options.core * cores / 0.7 + options.gpu * gpus + options.terabyte * kept / 1e12)


if __name__ == "__main__":
    main()
