"""Pictures as inline SVG: curves, confusion matrix, forest plot, distribution, cost against quality.

Each takes plain data and gives a finished `<svg>`; every text in it is escaped. Colors come from the page's style
sheet, so that pictures follow light and dark.
"""

from collections.abc import Mapping, Sequence
from html import escape

import attrs

from finetuner.evaluation.statistics.estimate import Estimate

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 40
_TICKS = 5
_MOST_CLASSES = 40
_ROW = 26
_NAME_WIDTH = 190
_NAME_LENGTH = 28
_HALF = 0.5


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
        return cls(low, high if high > low else low + 1, first, last)

    def at(self, value: float) -> float:
        """The pixel of a value, rounded to a tenth."""
        return round(self.first + (value - self.low) / (self.high - self.low) * (self.last - self.first), 1)

    def ticks(self) -> list[float]:
        """Evenly spaced values from end to end."""
        return [self.low + (self.high - self.low) * i / (_TICKS - 1) for i in range(_TICKS)]


def curve(series: Mapping[str, Sequence[tuple[float, float]]], *, x: str = "step", y: str = "loss") -> str:
    """Lines over a common axis, such as training and validation loss by step.

    Args:
        series: Points `(x, y)` in order, by the line's name; at most four lines are told apart by color.
        x: What the horizontal axis shows.
        y: What the vertical axis shows.
    """
    points = [point for line in series.values() for point in line]
    across = Axis.over([point[0] for point in points], _LEFT, _WIDTH - _RIGHT)
    up = Axis.over([0.0, *(point[1] for point in points)], _HEIGHT - _BOTTOM, _TOP)
    lines = [
        f'<polyline class="line s{i % 4}" points="{" ".join(f"{across.at(a)},{up.at(b)}" for a, b in line)}"/>'
        for i, line in enumerate(series.values())
    ]
    return _svg(f"{y} by {x}", _frame(across, up, x, y) + lines + _legend(tuple(series)))


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]], unparseable: Sequence[int]) -> str:
    """A confusion matrix, rows expected and columns given, shaded by the share of the row.

    Beyond 40 classes the picture shows the 40 with the most mistakes.
    """
    wrong = [sum(row) - row[i] + unparseable[i] for i, row in enumerate(counts)]
    shown = sorted(sorted(range(len(labels)), key=lambda i: -wrong[i])[:_MOST_CLASSES])
    cell = max(16, min(48, 480 // (len(shown) + 1)))
    top = _NAME_WIDTH
    parts: list[str] = []
    for y, row in enumerate(shown):
        total = sum(counts[row]) + unparseable[row]
        values = [*(counts[row][column] for column in shown), unparseable[row]]
        parts.append(_text(_NAME_WIDTH - 6, top + (y + 0.65) * cell, labels[row], anchor="end"))
        for x, value in enumerate(values):
            share = value / total if total else 0.0
            kind = "right" if x < len(shown) and shown[x] == row else "wrong"
            given = labels[shown[x]] if x < len(shown) else "unreadable"
            parts.append(
                f'<rect class="{kind}" x="{_NAME_WIDTH + x * cell}" y="{top + y * cell}" width="{cell - 1}" '
                f'height="{cell - 1}" fill-opacity="{share:.2f}"><title>{escape(labels[row])} → {escape(given)}: '
                f"{value} of {total}</title></rect>"
            )
            if value:
                parts.append(
                    _text(_NAME_WIDTH + (x + _HALF) * cell, top + (y + 0.65) * cell, str(value), anchor="middle")
                )
    for x, name in enumerate([*(labels[i] for i in shown), "unreadable"]):
        left = _NAME_WIDTH + (x + _HALF) * cell
        parts.append(_text(left, top - 6, name, turned=True))
    size = (_NAME_WIDTH + (len(shown) + 1) * cell + 8, top + len(shown) * cell + 8)
    return _svg("confusion matrix: rows expected, columns given", parts, *size)


def forest(effects: Mapping[str, Estimate]) -> str:
    """Differences with their intervals, one below the other, with a line at 0."""
    height = _TOP + _ROW * len(effects) + _BOTTOM
    ends = [end for effect in effects.values() for end in (effect.low, effect.high)]
    across = Axis.over([*ends, 0.0], _NAME_WIDTH, _WIDTH - _RIGHT)
    zero = across.at(0.0)
    parts = [f'<line class="zero" x1="{zero}" x2="{zero}" y1="{_TOP}" y2="{height - _BOTTOM}"/>']
    for i, (name, effect) in enumerate(effects.items()):
        y = _TOP + _ROW * (i + _HALF)
        kind = "better" if effect.low > 0 else "worse" if effect.high < 0 else "open"
        said = f"{effect.value:+.1%} [{100 * effect.low:+.1f}, {100 * effect.high:+.1f}], n = {effect.n}"
        parts += [
            _text(_NAME_WIDTH - 8, y + 4, name, anchor="end"),
            f'<line class="{kind}" x1="{across.at(effect.low)}" x2="{across.at(effect.high)}" y1="{y}" y2="{y}"/>',
            _dot(kind, across.at(effect.value), y, f"{name}: {said}"),
        ]
    parts += [
        _text(across.at(tick), height - _BOTTOM + 16, f"{100 * tick:+.0f}", anchor="middle") for tick in across.ticks()
    ]
    parts.append(_text((_NAME_WIDTH + _WIDTH) / 2, height - 8, "tuned minus base, points", anchor="middle"))
    return _svg("differences by class", parts, _WIDTH, height)


def distribution(scores: Sequence[float], *, x: str = "score", bins: int = 20) -> str:
    """How often which score occurs."""
    across = Axis.over(scores, _LEFT, _WIDTH - _RIGHT)
    heights = [0] * bins
    for score in scores:
        heights[min(bins - 1, int((score - across.low) / (across.high - across.low) * bins))] += 1
    up = Axis(0.0, max(heights, default=0) or 1, _HEIGHT - _BOTTOM, _TOP)
    width = (across.last - across.first) / bins
    bars = [
        f'<rect class="bar" x="{across.first + i * width:.1f}" y="{up.at(count)}" width="{width - 1:.1f}" '
        f'height="{_HEIGHT - _BOTTOM - up.at(count):.1f}"><title>{count}</title></rect>'
        for i, count in enumerate(heights)
    ]
    return _svg(f"distribution of {x}", _frame(across, up, x, "answers") + bars)


def cost_quality(points: Mapping[str, tuple[float, Estimate]], *, y: str = "accuracy") -> str:
    """Models by what 1,000 answers cost (USD) and how good they are, with the interval of the quality."""
    across = Axis.over([0.0, *(cost for cost, _ in points.values())], _LEFT, _WIDTH - _NAME_WIDTH)
    up = Axis.over([end for _, value in points.values() for end in (value.low, value.high)], _HEIGHT - _BOTTOM, _TOP)
    parts = _frame(across, up, "USD for 1,000 answers", y)
    for i, (name, (cost, value)) in enumerate(points.items()):
        x = across.at(cost)
        parts += [
            f'<line class="line s{i % 4}" x1="{x}" x2="{x}" y1="{up.at(value.low)}" y2="{up.at(value.high)}"/>',
            _dot(f"dot s{i % 4}", x, up.at(value.value), name),
            _text(x + 10, up.at(value.value) + 4, name),
        ]
    return _svg(f"{y} against cost", parts)


def _frame(across: Axis, up: Axis, x: str, y: str) -> list[str]:
    base = _HEIGHT - _BOTTOM
    lines = [
        f'<line class="grid" x1="{across.first}" x2="{across.last}" y1="{up.at(tick)}" y2="{up.at(tick)}"/>'
        for tick in up.ticks()
    ]
    numbers = [_text(across.at(tick), base + 16, f"{tick:.4g}", anchor="middle") for tick in across.ticks()]
    numbers += [_text(_LEFT - 6, up.at(tick) + 4, f"{tick:.3g}", anchor="end") for tick in up.ticks()]
    names = [_text((across.first + across.last) / 2, _HEIGHT - 6, x, anchor="middle"), _text(4, 12, y)]
    return lines + numbers + names


def _legend(names: Sequence[str]) -> list[str]:
    return [
        f'<g class="s{i % 4}"><circle class="dot s{i % 4}" cx="{_WIDTH - 150}" cy="{_TOP + 10 + 18 * i}" r="5"/>'
        f"{_text(_WIDTH - 138, _TOP + 14 + 18 * i, name)}</g>"
        for i, name in enumerate(names)
    ]


def _dot(kind: str, x: float, y: float, said: str) -> str:
    return f'<circle class="{kind}" cx="{x}" cy="{y}" r="5"><title>{escape(said)}</title></circle>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", turned: bool = False) -> str:
    short = text if len(text) <= _NAME_LENGTH else text[: _NAME_LENGTH - 1] + "…"
    turn = f' transform="rotate(-60 {x:.1f} {y:.1f})"' if turned else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>{escape(short)}</text>'


def _svg(name: str, parts: Sequence[str], width: float = _WIDTH, height: float = _HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(name)}">'
        f"<title>{escape(name)}</title>{''.join(parts)}</svg>"
    )
