"""Draw the dashboards without Grafana: run the queries of their panels, and draw the answers as SVG.

    python -m tests.docs.dashboard_pictures [--seconds 90] [--to docs/images]

A seeded service changes its metrics. Debian's Prometheus scrapes them each second, with the rules of deploy/, and
answers each query of each panel. The command fails if a query has no data. The times of the rules are not shortened, so
a rate over an hour covers only the seconds of the run.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from deploy.dashboards import files
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import serving
from pipeline.judge import labels
from pipeline.judge.labels import SEVERITIES
from tests.deploy.prometheus import Prometheus, prometheus

BOARDS = ("quality", "risk")
CELL, ROW, COLUMNS = 50, 22, 24
"""Width and height of a cell of Grafana's grid in the picture, and its columns."""
COLOURS = ("#1f77b4", "#d1661d", "#2ca02c", "#b82e2e", "#7d57c1", "#8c564b", "#c2559d", "#5f6f52", "#11849b")
NOTE = "Drawn by dashboard_pictures.py from the answers of Prometheus to a seeded service. Grafana did not draw it."
VALUES = {"$__rate_interval": "20s", "$job": ".*", "$instance": ".*"}


class PanelLine(NamedTuple):
    """The points of one series: UTC seconds and values."""

    legend: str
    points: list[tuple[float, float]]


def main() -> int:
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wanted.add_argument("--seconds", type=float, default=90.0)
    wanted.add_argument("--to", type=Path, default=Path("docs/images"))
    chosen = wanted.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        drawn, empty = run(Path(folder), chosen.seconds)
    for name, picture in drawn.items():
        (chosen.to / f"dashboard-{name}.svg").write_text(picture, "utf-8")
    print(f"{len(drawn)} pictures; queries without data: {', '.join(empty) or 'none'}")
    return 1 if empty else 0


def run(folder: Path, seconds: float) -> tuple[dict[str, str], list[str]]:
    """Return the pictures by dashboard, and the queries that have no data."""
    metrics, random = Metrics(), Random(1)
    boards = {name: json.loads(files()[f"{name}.json"]) for name in BOARDS}
    with serving(metrics, "127.0.0.1", 0) as url, prometheus(folder, {"judge": urlsplit(url).netloc}) as server:
        began = time.time()
        while (passed := time.time() - began) < seconds:
            live(metrics, random, passed / seconds)
            time.sleep(0.2)
        span = (began + 5, time.time())
        answers = {name: answered(server, board, span) for name, board in boards.items()}
    empty = [query for each in answers.values() for query, lines in each.items() if not lines]
    return {name: draw(board, answers[name]) for name, board in boards.items()}, empty


def live(metrics: Metrics, random: Random, progress: float) -> None:
    """Let a fifth of a second pass in a service of some 40 speakers. In the middle, some speech is skipped."""
    skipped = 0.2 if 0.4 < progress < 0.6 else 0.002
    for kind, speech in (("game", 4.0), ("default", 2.0), ("kids", 1.0)):
        heard = speech * random.uniform(0.8, 1.2)
        metrics.counted_seconds.labels(kind, "segmented").inc(heard)
        metrics.counted_seconds.labels(kind, "monitored").inc(heard * (1 - skipped))
        metrics.counted_seconds.labels(kind, "skipped").inc(heard * skipped)
        metrics.counted_seconds.labels(kind, "failed").inc(heard * 0.001)
    metrics.recognised_seconds.inc(7)
    metrics.recogniser_busy_seconds.inc(7 * random.uniform(0.08, 0.12))
    metrics.transcripts.labels("zh").inc(random.choice((2, 3)))
    metrics.transcripts.labels("en").inc(1)
    metrics.marked.labels("repetition").inc(random.random() < 0.1)
    metrics.speech_to_flag.observe(random.lognormvariate(-0.3, 0.4))
    _judged(metrics, random)
    _reviewed(metrics, random, progress)


def _judged(metrics: Metrics, random: Random) -> None:
    for name in labels.load_labels().labels:
        metrics.scores.labels(name, f"{min(int(random.expovariate(9) * 10), 9) / 10:.1f}").inc()
        metrics.labels.labels(name).inc(random.random() < 0.05)
        metrics.spread_speakers.labels(name).set(2)
        metrics.spread_terms.labels(name).set(0)
        metrics.confirmed_ratio.labels(name).set(0.6 + len(name) / 50)
    metrics.recogniser.labels("small").set(1)
    metrics.classifier.labels("mmbert").set(1)
    metrics.policy.labels("default@1a2b3c4d").set(1)


def _reviewed(metrics: Metrics, random: Random, progress: float) -> None:
    for number, severity in enumerate(SEVERITIES):
        waiting = round((4 - number) * (6 + 4 * math.sin(6 * progress + number)))
        metrics.open_cases.labels(severity).set(waiting)
        metrics.late_cases.labels(severity).set(waiting // 12)
        metrics.oldest_case_seconds.labels(severity).set(waiting * 90)
        metrics.flag_to_review.labels(severity).observe(random.lognormvariate(6 - number, 0.8))
        met = "met" if random.random() < 0.97 else "missed"
        metrics.review_deadlines.labels(severity, met).inc()
    verdict = "uphold" if random.random() < 0.7 else "dismiss"
    metrics.decisions.labels(verdict).inc()
    metrics.reviews.labels(random.choice(list(labels.load_labels().labels)), verdict).inc()
    metrics.review_to_action.observe(random.lognormvariate(0.5, 0.6))
    metrics.actions.labels("done" if random.random() < 0.98 else "failed").inc()
    metrics.appeals.labels(random.choice(("lodged", "upheld", "overturned"))).inc(random.random() < 0.2)
    for bound, recall, precision in (("low", 0.71, 0.82), ("estimate", 0.84, 0.88), ("high", 0.93, 0.92)):
        metrics.recall_ratio.labels(bound).set(recall)
        metrics.precision_ratio.labels(bound).set(precision)
    metrics.decided_audits.set(840)
    metrics.upheld_speakers.set(210)
    metrics.repeat_offenders.set(23)


def answered(server: Prometheus, board: dict[str, Any], span: tuple[float, float]) -> dict[str, list[PanelLine]]:
    """Return the lines of each query of a dashboard over `span`, which is UTC seconds."""
    targets = [target for panel in board["panels"] for target in panel.get("targets", [])]
    return {target["expr"]: list(_lines(server, target, span)) for target in targets}


def _lines(server: Prometheus, target: dict[str, str], span: tuple[float, float]) -> Iterator[PanelLine]:
    query = target["expr"]
    for name, value in VALUES.items():
        query = query.replace(name, value)
    for series in server.query_range(query, *span, step=1.0):
        legend = target["legendFormat"]
        for name, value in series["metric"].items():
            legend = legend.replace("{{" + name + "}}", value)
        yield PanelLine(
            legend, [(at, round(float(value), 9)) for at, value in series["values"] if math.isfinite(float(value))]
        )


def draw(board: dict[str, Any], answers: dict[str, list[PanelLine]]) -> str:
    """Return a dashboard as SVG."""
    height = ROW * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) + 60
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {CELL * COLUMNS} {height}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="#f4f5f7"/><text x="10" y="24" font-size="18">'
        f'{escape(board["title"])}</text><text x="10" y="44" font-size="12" fill="#666">{NOTE}</text>'
    )
    return "\n".join([head, *(_panel(panel, answers) for panel in board["panels"]), "</svg>\n"])


def _panel(panel: dict[str, Any], answers: dict[str, list[PanelLine]]) -> str:
    place = panel["gridPos"]
    x, y, width, height = place["x"] * CELL + 4, place["y"] * ROW + 58, place["w"] * CELL - 8, place["h"] * ROW - 6
    title = f'<text x="8" y="16" font-size="12" font-weight="bold">{escape(panel["title"])}</text>'
    if panel["type"] == "row":
        return f'<g transform="translate({x},{y})">{title}</g>'
    lines = [line for target in panel["targets"] for line in answers[target["expr"]] if line.points]
    body = _stat(panel, lines) if panel["type"] == "stat" else _graph(panel, lines, width, height)
    box = f'<rect width="{width}" height="{height}" rx="3" fill="#fff" stroke="#d5d8dd"/>'
    return f'<g transform="translate({x},{y})">{box}{title}{body}</g>'


def _stat(panel: dict[str, Any], lines: list[PanelLine]) -> str:
    values = ", ".join(_text(line.points[-1][1], panel["fieldConfig"]["defaults"]["unit"]) for line in lines)
    return f'<text x="8" y="56" font-size="26" fill="{COLOURS[0]}">{values}</text>'


def _graph(panel: dict[str, Any], lines: list[PanelLine], width: int, height: int) -> str:
    """Lines over time from 0 to the largest value, with this value and a legend."""
    top = max((value for line in lines for _, value in line.points), default=0.0) or 1.0
    begin = min((line.points[0][0] for line in lines), default=0.0)
    end = max((line.points[-1][0] for line in lines), default=1.0)
    right, low, high = width - 130, height - 12, 30

    across, up = (right - 16) / max(end - begin, 1), (low - high) / top

    def path(line: PanelLine) -> str:
        return " ".join(
            f"{8 + (at - begin) * across:.0f},{low - max(value, 0) * up:.0f}" for at, value in line.points[::2]
        )

    drawn = [
        f'<polyline fill="none" stroke="{COLOURS[n % len(COLOURS)]}" stroke-width="1.5" points="{path(line)}"/>'
        f'<text x="{right}" y="{30 + 13 * n}" font-size="10" fill="{COLOURS[n % len(COLOURS)]}">'
        f"{escape(line.legend[:22])}</text>"
        for n, line in enumerate(lines[:10])
    ]
    unit = panel["fieldConfig"]["defaults"]["unit"]
    scale = f'<text x="8" y="28" font-size="10" fill="#666">{_text(top, unit)}</text>'
    return scale + f'<line x1="8" x2="{right - 8}" y1="{low}" y2="{low}" stroke="#aaa"/>' + "".join(drawn)


def _text(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value:.1%}"
    return f"{value:.3g}" + {"s": " s", "ops": "/s"}.get(unit, "")


if __name__ == "__main__":
    sys.exit(main())
