"""Charts as inline SVG: axes, frames and lines from plain data.

Every text in them is escaped. Colors come from the page's style sheet, so that pictures follow light and dark.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

import attrs

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 28, 40
"""A chart's size and margins in pixels."""

_TICKS = 5
_ALMOST, _SLACK = 0.75, 1e-9
_NAME_LENGTH = 28


@attrs.frozen
class Axis:
    """Maps values to pixels.

    Attributes:
        low: Value at the first pixel.
        high: Value at the last pixel; above `low`.
        first: First pixel.
        last: Last pixel.
    """

    low: float
    high: float
    first: float
    last: float

    @classmethod
    def over(cls, values: Sequence[float], first: float, last: float) -> "Axis":
        """An axis that holds all values, with some air where they are all alike."""
        low, high = min(values, default=0.0), max(values, default=1.0)
        alike = high - low <= _SLACK * max(1.0, abs(low), abs(high))
        return cls(low, low + 1 if alike else high, first, last)

    def at(self, value: float) -> float:
        """The pixel of a value, rounded to a tenth."""
        return round(self.first + (value - self.low) / (self.high - self.low) * (self.last - self.first), 1)

    def ticks(self) -> list[float]:
        """Round values inside the axis, evenly spaced: two to eight multiples of 1, 2 or 5 and a power of ten."""
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * _ALMOST)
        first, last = math.ceil(self.low / step - _SLACK), math.floor(self.high / step + _SLACK)
        return [number * step for number in range(first, last + 1)]


def line_chart(series: Mapping[str, Sequence[tuple[float, float]]], *, x: str = "step", y: str = "loss") -> str:
    """Lines over a common axis, such as training and validation loss by step.

    Args:
        series: Points `(x, y)` in order, by the line's name; at most four lines are told apart by color.
        x: What the horizontal axis shows.
        y: What the vertical axis shows.
    """
    points = [point for line in series.values() for point in line]
    across = Axis.over([point[0] for point in points], LEFT, WIDTH - RIGHT)
    up = Axis.over([0.0, *(point[1] for point in points)], HEIGHT - BOTTOM, TOP)
    lines = [
        f'<polyline class="line s{i % 4}" points="{" ".join(f"{across.at(a)},{up.at(b)}" for a, b in line)}"/>'
        for i, line in enumerate(series.values())
    ]
    return svg(f"{y} by {x}", frame(across, up, x, y) + lines + legend(tuple(series)))


def frame(across: Axis, up: Axis, x: str, y: str) -> list[str]:
    """Grid lines, numbers and names of both axes."""
    base = HEIGHT - BOTTOM
    lines = [
        f'<line class="grid" x1="{across.first}" x2="{across.last}" y1="{up.at(tick)}" y2="{up.at(tick)}"/>'
        for tick in up.ticks()
    ]
    numbers = [text(across.at(tick), base + 16, f"{tick:.4g}", anchor="middle") for tick in across.ticks()]
    numbers += [text(LEFT - 6, up.at(tick) + 4, f"{tick:.3g}", anchor="end") for tick in up.ticks()]
    names = [text((across.first + across.last) / 2, HEIGHT - 6, x, anchor="middle"), text(4, 12, y)]
    return lines + numbers + names


def legend(names: Sequence[str]) -> list[str]:
    """Which color is which line."""
    return [
        f'<g class="s{i % 4}"><circle class="dot s{i % 4}" cx="{WIDTH - 150}" cy="{TOP + 10 + 18 * i}" r="5"/>'
        f"{text(WIDTH - 138, TOP + 14 + 18 * i, name)}</g>"
        for i, name in enumerate(names)
    ]


def dot(kind: str, x: float, y: float, said: str) -> str:
    """A point that says what it is."""
    return f'<circle class="{kind}" cx="{x}" cy="{y}" r="5"><title>{escape(said)}</title></circle>'


def text(x: float, y: float, words: str, *, anchor: str = "start", turned: bool = False) -> str:
    """A short text at a place; long ones are cut."""
    short = words if len(words) <= _NAME_LENGTH else words[: _NAME_LENGTH - 1] + "…"
    turn = f' transform="rotate(-60 {x:.1f} {y:.1f})"' if turned else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>{escape(short)}</text>'


def svg(name: str, parts: Sequence[str], width: float = WIDTH, height: float = HEIGHT) -> str:
    """The finished picture."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(name)}">'
        f"<title>{escape(name)}</title>{''.join(parts)}</svg>"
    )
