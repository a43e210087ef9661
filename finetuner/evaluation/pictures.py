"""Pictures as inline SVG: curves, confusion matrix, forest plot, distribution, cost against quality.

Each takes plain data and gives a finished `<svg>`; every text in it is escaped. Colors come from the page's style
sheet, so that pictures follow light and dark.
"""

from collections.abc import Mapping, Sequence
from html import escape

from finetuner._core.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, dot, frame, svg, text
from finetuner._core.svg import line_chart as curve
from finetuner.evaluation.statistics.estimate import Estimate

__all__ = ["confusion_matrix", "cost_quality", "curve", "distribution", "forest", "reliability"]

_MOST_CLASSES = 40
_ROW = 26
_NAME_WIDTH = 190
_HALF = 0.5


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
        parts.append(text(_NAME_WIDTH - 6, top + (y + 0.65) * cell, labels[row], anchor="end"))
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
                    text(_NAME_WIDTH + (x + _HALF) * cell, top + (y + 0.65) * cell, str(value), anchor="middle")
                )
    for x, name in enumerate([*(labels[i] for i in shown), "unreadable"]):
        left = _NAME_WIDTH + (x + _HALF) * cell
        parts.append(text(left, top - 6, name, turned=True))
    size = (_NAME_WIDTH + (len(shown) + 1) * cell + 8, top + len(shown) * cell + 8)
    return svg("confusion matrix: rows expected, columns given", parts, *size)


def forest(effects: Mapping[str, Estimate]) -> str:
    """Differences with their intervals, one below the other, with a line at 0."""
    height = TOP + _ROW * len(effects) + BOTTOM
    ends = [end for effect in effects.values() for end in (effect.low, effect.high)]
    across = Axis.over([*ends, 0.0], _NAME_WIDTH, WIDTH - RIGHT)
    zero = across.at(0.0)
    parts = [f'<line class="zero" x1="{zero}" x2="{zero}" y1="{TOP}" y2="{height - BOTTOM}"/>']
    for i, (name, effect) in enumerate(effects.items()):
        y = TOP + _ROW * (i + _HALF)
        kind = "better" if effect.low > 0 else "worse" if effect.high < 0 else "open"
        said = f"{effect.value:+.1%} [{100 * effect.low:+.1f}, {100 * effect.high:+.1f}], n = {effect.n}"
        parts += [
            text(_NAME_WIDTH - 8, y + 4, name, anchor="end"),
            f'<line class="{kind}" x1="{across.at(effect.low)}" x2="{across.at(effect.high)}" y1="{y}" y2="{y}"/>',
            dot(kind, across.at(effect.value), y, f"{name}: {said}"),
        ]
    parts += [
        text(across.at(tick), height - BOTTOM + 16, f"{100 * tick:+.0f}", anchor="middle") for tick in across.ticks()
    ]
    parts.append(text((_NAME_WIDTH + WIDTH) / 2, height - 8, "tuned minus base, points", anchor="middle"))
    return svg("differences by class", parts, WIDTH, height)


def distribution(scores: Sequence[float], *, x: str = "score", bins: int = 20) -> str:
    """How often which score occurs."""
    across = Axis.over(scores, LEFT, WIDTH - RIGHT)
    heights = [0] * bins
    for score in scores:
        heights[min(bins - 1, int((score - across.low) / (across.high - across.low) * bins))] += 1
    up = Axis(0.0, max(heights, default=0) or 1, HEIGHT - BOTTOM, TOP)
    width = (across.last - across.first) / bins
    bars = [
        f'<rect class="bar" x="{across.first + i * width:.1f}" y="{up.at(count)}" width="{width - 1:.1f}" '
        f'height="{HEIGHT - BOTTOM - up.at(count):.1f}"><title>{count}</title></rect>'
        for i, count in enumerate(heights)
    ]
    return svg(f"distribution of {x}", frame(across, up, x, "answers") + bars)


def reliability(points: Sequence[tuple[float, Estimate]]) -> str:
    """How often answers are right that the model is so sure of: points on the line are honest, below it overconfident.

    Args:
        points: Mean confidence and share of right answers, by bin.
    """
    across, up = Axis(0.0, 1.0, LEFT, WIDTH - RIGHT), Axis(0.0, 1.0, HEIGHT - BOTTOM, TOP)
    parts = frame(across, up, "confidence", "share right")
    parts.append(f'<line class="zero" x1="{across.at(0)}" x2="{across.at(1)}" y1="{up.at(0)}" y2="{up.at(1)}"/>')
    for confidence, right in points:
        x = across.at(confidence)
        parts += [
            f'<line class="line s0" x1="{x}" x2="{x}" y1="{up.at(right.low)}" y2="{up.at(right.high)}"/>',
            dot(
                "dot s0", x, up.at(right.value), f"confidence {confidence:.2f}: {right.percent()} right, n = {right.n}"
            ),
        ]
    return svg("reliability: confidence against right answers", parts)


def cost_quality(points: Mapping[str, tuple[float, Estimate]], *, y: str = "accuracy") -> str:
    """Models by what 1,000 answers cost (USD) and how good they are, with the interval of the quality."""
    across = Axis.over([0.0, *(cost for cost, _ in points.values())], LEFT, WIDTH - _NAME_WIDTH)
    up = Axis.over([end for _, value in points.values() for end in (value.low, value.high)], HEIGHT - BOTTOM, TOP)
    parts = frame(across, up, "USD for 1,000 answers", y)
    for i, (name, (cost, value)) in enumerate(points.items()):
        x = across.at(cost)
        parts += [
            f'<line class="line s{i % 4}" x1="{x}" x2="{x}" y1="{up.at(value.low)}" y2="{up.at(value.high)}"/>',
            dot(f"dot s{i % 4}", x, up.at(value.value), name),
            text(x + 10, up.at(value.value) + 4, name),
        ]
    return svg(f"{y} against cost", parts)
