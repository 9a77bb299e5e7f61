"""Charts as inline SVG: a value with its interval, its limit, and its value in the last final report."""

from typing import NamedTuple

from markupsafe import Markup

from pipeline.review.quality.figure import Figure

WIDTH, HEIGHT, EDGE = 132, 16, 5
ROOM = 1.15
"""The scale ends this much above the largest number, unless the unit has an upper bound."""

AXIS = 'stroke="#c6cbd1" stroke-width="1"'
LIMIT = 'stroke="#191e27" stroke-width="1.1" stroke-dasharray="2 1.6"'
RANGE = 'stroke="#a9c2e5" stroke-width="4"'
BEFORE = 'fill="#ffffff" stroke="#616d7c" stroke-width="1"'
"""Attributes and not classes: a PDF's drawings do not see the style sheet of the page."""


class Scale(NamedTuple):
    """Maps values from `bottom` to `top` to horizontal places."""

    top: float
    bottom: float = 0.0

    def place(self, value: float) -> float:
        share = (value - self.bottom) / (self.top - self.bottom)
        return EDGE + (WIDTH - 2 * EDGE) * min(max(share, 0.0), 1.0)  # a limit may lie outside the scale


def scale_of(figures: list[Figure]) -> Scale:
    """Return one scale for figures that a reader compares."""
    if all(figure.unit == "share" for figure in figures):
        return Scale(1.0)
    numbers = [number for figure in figures for number in _numbers(figure)]
    # 0 is always on the scale, so that lengths can be compared. If all numbers are 0, the top is 1.
    return Scale(max(max(numbers, default=0.0), 0.0) * ROOM or 1.0, min(0.0, *numbers) if numbers else 0.0)


def interval(figure: Figure, scale: Scale | None = None) -> Markup:
    """Return the chart of one figure; nothing if it has no value, or if a chart says no more than the number.

    `scale` is the scale of the figures beside it.
    """
    if figure.value is None or not (scale or _comparable(figure)):
        return Markup("")
    scale = scale or scale_of([figure])
    parts = [f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="8" y2="8" {AXIS}/>']
    if figure.threshold is not None:
        x = _at(scale, figure.threshold)
        parts.append(f'<line x1="{x}" x2="{x}" y1="1" y2="15" {LIMIT}/>')
    if figure.interval is not None:
        low, high = figure.interval
        parts.append(f'<line x1="{_at(scale, low)}" x2="{_at(scale, high)}" y1="8" y2="8" {RANGE}/>')
    if figure.previous is not None:
        parts.append(f'<circle cx="{_at(scale, figure.previous)}" cy="8" r="2.4" {BEFORE}/>')
    parts.append(_point(scale.place(figure.value), figure.met is False))
    drawn = "".join(parts)
    return Markup(  # noqa: S704 - made of numbers only
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'aria-hidden="true">{drawn}</svg>'
    )


def _point(x: float, missed: bool) -> str:
    """Draw the value: a dot, or a diamond if it does not keep the limit, so that colour is not needed."""
    if missed:
        return f'<path fill="#b51c2f" d="M{x:.1f} 3.6l4.4 4.4-4.4 4.4-4.4-4.4z"/>'
    return f'<circle fill="#2a67bd" cx="{x:.1f}" cy="8" r="3.2"/>'


def _at(scale: Scale, value: float) -> str:
    return f"{scale.place(value):.1f}"


def _comparable(figure: Figure) -> bool:
    """Tell whether a picture says more than the number: a share is a part of all, others need a second number."""
    return figure.unit == "share" or len(_numbers(figure)) > 1


def _numbers(figure: Figure) -> list[float]:
    found = [figure.value, figure.threshold, figure.previous, *(figure.interval or ())]
    return [number for number in found if number is not None]
