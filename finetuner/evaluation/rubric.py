"""Rubrics: what a judge scores and when an answer passes, read from Markdown."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from finetuner._core import codec
from finetuner._core.hashing import json_sha256
from finetuner.errors import RubricError, UnknownNameError

DEFAULT_THRESHOLD = 3.5
"""Overall score from which an answer passes where the rubric doesn't say."""

_MOST_BYTES = 1 << 20
_TITLE = re.compile(r"#\s+Evaluation Rubric:\s*(.*?)\s*#*\s*$", re.IGNORECASE)
_CRITERION = re.compile(r"Criterion\s+\d+\s*:\s*(.*)", re.IGNORECASE)
_WEIGHT = re.compile(r"\*\*\s*Weight\s*:?\s*\*\*\s*:?\s*(\d+(?:\.\d+)?)\s*%")
_PASS = re.compile(r"\bPass\b[^\d<>=≥]*(?:>=|≥)\s*(\d+(?:\.\d+)?)", re.IGNORECASE)
_CODE = re.compile(r"`([^`]+)`")
_TERM = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*[*x×·]\s*([^+`]+)")
_CELL = re.compile(r"(?<!\\)\|")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TOLERANCE = 1e-6
_LEAST_LEVELS = 2
_LARGEST_SCORE = 100


@attrs.frozen
class Level:
    """What a score means.

    Attributes:
        score: A whole number.
        description: In words.
        example: An answer that earns it; empty where none is given.
    """

    score: int
    description: str
    example: str = ""


@attrs.frozen
class Criterion:
    """One thing to score.

    Attributes:
        name: In words.
        weight: Its share in the overall score, 0..1.
        levels: What scores mean, best first. Scores between described ones may be given too.
    """

    name: str
    weight: float
    levels: tuple[Level, ...]

    @property
    def scores(self) -> tuple[int, ...]:
        """All scores that may be given, lowest first: every whole number between the described extremes."""
        described = [level.score for level in self.levels]
        return tuple(range(min(described), max(described) + 1))


@attrs.frozen(kw_only=True)
class Rubric:
    """What a judge scores and when an answer passes.

    Attributes:
        name: As in the file's heading.
        task: What the model was asked to do.
        criteria: At least one; their weights sum to 1.
        threshold: An answer passes when its overall score reaches it.
    """

    name: str
    task: str
    criteria: tuple[Criterion, ...]
    threshold: float = DEFAULT_THRESHOLD

    @classmethod
    def load(cls, path: str | Path, name: str | None = None) -> "Rubric":
        """The rubric of a Markdown file.

        Args:
            path: The file.
            name: Which rubric, where the file has several.

        Raises:
            RubricError: The file isn't a rubric, is malformed (the message names the line), or has several rubrics
                and no name was given.
            UnknownNameError: No rubric of the file has this name.
        """
        file = Path(path)
        try:
            data = file.read_bytes()
            text = data.decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise RubricError(f"{file}: can't be read as UTF-8 text: {error}") from error
        if len(data) > _MOST_BYTES:
            raise RubricError(f"{file}: {len(data):,} bytes; a rubric has at most {_MOST_BYTES:,}")
        return choose(parse(text, origin=str(file)), name, origin=str(file))

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits: equal rubrics have the same."""
        return json_sha256(codec.unstructure(self))

    @property
    def keys(self) -> tuple[str, ...]:
        """`criterion_1`, `criterion_2`, …: the criteria's names in a judge's reply."""
        return tuple(f"criterion_{number}" for number in range(1, len(self.criteria) + 1))

    def overall(self, scores: Mapping[str, float]) -> float:
        """The weighted average of scores by key, rounded to nine decimals so that thresholds are met exactly."""
        weighted = (scores[key] * criterion.weight for key, criterion in zip(self.keys, self.criteria, strict=True))
        return round(sum(weighted), 9)

    def passes(self, overall: float) -> bool:
        """Whether an overall score reaches the threshold."""
        return overall >= self.threshold


def choose(rubrics: Sequence[Rubric], name: str | None, *, origin: str) -> Rubric:
    """The rubric of that name, or the only one.

    Raises:
        RubricError: There are several and no name was given.
        UnknownNameError: None has this name.
    """
    names = ", ".join(repr(rubric.name) for rubric in rubrics)
    if name is None:
        if len(rubrics) > 1:
            raise RubricError(f"{origin}: has {len(rubrics)} rubrics, say which one by name: {names}")
        return rubrics[0]
    for rubric in rubrics:
        if rubric.name.casefold() == name.strip().casefold():
            return rubric
    raise UnknownNameError(f"{origin}: no rubric {name!r}; known: {names}")


def parse(text: str, *, origin: str = "rubric") -> tuple[Rubric, ...]:
    """All rubrics of a Markdown text, in order. Fenced blocks are skipped.

    Raises:
        RubricError: There is none, or one is malformed; the message names the line.
    """
    found = [_rubric(title, lines, origin) for title, lines in _split(text, origin)]
    if not found:
        raise RubricError(f'{origin}: no heading "# Evaluation Rubric: NAME" outside of fenced blocks')
    names = [rubric.name.casefold() for rubric in found]
    if len(set(names)) < len(names):
        raise RubricError(f"{origin}: two rubrics have the same name: {', '.join(rubric.name for rubric in found)}")
    return tuple(found)


@attrs.frozen
class _Line:
    number: int
    text: str


def _unfenced(text: str, origin: str) -> Iterator[_Line]:
    """Lines outside of fenced blocks. A block ends at a fence of the same mark, at least as long."""
    fence, opened = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence, opened = mark[1], number
        else:
            yield _Line(number, line)
    if fence:
        raise RubricError(f"{origin}: line {opened}: this fenced block is never closed")


def _split(text: str, origin: str) -> list[tuple[_Line, list[_Line]]]:
    """Each rubric's title with the lines below it; any other level-1 heading ends a rubric."""
    parts: list[tuple[_Line, list[_Line]]] = []
    inside = False
    for line in _unfenced(text, origin):
        if line.text.startswith("# "):
            inside = _TITLE.match(line.text) is not None
            if inside:
                parts.append((line, []))
        elif inside:
            parts[-1][1].append(line)
    return parts


def _rubric(title: _Line, lines: Sequence[_Line], origin: str) -> Rubric:
    match = _TITLE.match(title.text)
    name = match[1] if match else ""
    if not name or (name.startswith("[") and name.endswith("]")):
        raise RubricError(f"{origin}: line {title.number}: the rubric has no name; write # Evaluation Rubric: NAME")
    sections = _sections(lines, "## ")
    criteria = _criteria(sections.get("evaluation criteria", []), origin)
    if not criteria:
        raise RubricError(f'{origin}: line {title.number}: {name!r} has no "### Criterion 1: NAME" below criteria')
    total = sum(criterion.weight for criterion in criteria)
    if abs(total - 1) > _TOLERANCE:
        raise RubricError(
            f"{origin}: line {title.number}: the weights of {name!r} sum to {total:.4g} of 1; make it 100%"
        )
    _check_formula(sections.get("overall score", []), criteria, origin)
    return Rubric(
        name=name,
        task="\n".join(line.text for line in sections.get("task description", []) if not _rule(line.text)).strip(),
        criteria=criteria,
        threshold=_threshold(sections.get("pass/fail threshold", []), criteria, origin),
    )


def _rule(text: str) -> bool:
    return re.fullmatch(r"\s*-{3,}\s*", text) is not None


def _sections(lines: Sequence[_Line], prefix: str) -> dict[str, list[_Line]]:
    """Lines below each heading of a level, by the heading in lower case."""
    sections: dict[str, list[_Line]] = {}
    current: list[_Line] = []
    for line in lines:
        if line.text.startswith(prefix):
            current = sections.setdefault(line.text.removeprefix(prefix).strip().casefold(), [])
        else:
            current.append(line)
    return sections


def _criteria(lines: Sequence[_Line], origin: str) -> tuple[Criterion, ...]:
    blocks: list[tuple[_Line, list[_Line]]] = []
    for line in lines:
        if line.text.startswith("### "):
            blocks.append((line, []))
        elif blocks:
            blocks[-1][1].append(line)
    return tuple(_criterion(heading, block, origin) for heading, block in blocks)


def _criterion(heading: _Line, lines: Sequence[_Line], origin: str) -> Criterion:
    place = f"{origin}: line {heading.number}"
    match = _CRITERION.match(heading.text.removeprefix("### ").strip())
    if match is None or not match[1].strip():
        raise RubricError(f'{place}: {heading.text!r} isn\'t "### Criterion 1: NAME"')
    name = match[1].strip()
    weights = [found[1] for line in lines if (found := _WEIGHT.search(line.text))]
    if len(weights) != 1:
        raise RubricError(f'{place}: criterion {name!r} has {len(weights)} weights; write one line "**Weight:** 70%"')
    levels = _levels([line for line in lines if line.text.lstrip().startswith("|")], name, origin, place)
    return Criterion(name, float(weights[0]) / 100, levels)


def _levels(table: Sequence[_Line], name: str, origin: str, place: str) -> tuple[Level, ...]:
    if len(table) < 2 or _cells(table[0].text)[0].casefold() != "score":  # noqa: PLR2004 - a head and a rule
        raise RubricError(f"{place}: criterion {name!r} has no table | Score | Description | Example |")
    levels: list[Level] = []
    for line in table[2:]:
        cells = _cells(line.text)
        digits = re.fullmatch(r"\**(\d+)\**", cells[0])
        if digits is None or int(digits[1]) > _LARGEST_SCORE or len(cells) < 2:  # noqa: PLR2004 - score, description
            raise RubricError(f"{origin}: line {line.number}: {cells[0]!r} isn't a whole score with a description")
        levels.append(Level(int(digits[1]), cells[1], " | ".join(cells[2:])))
    scores = [level.score for level in levels]
    if len(set(scores)) < max(_LEAST_LEVELS, len(scores)):
        raise RubricError(f"{place}: criterion {name!r} needs at least two scores, each once; it has {scores}")
    return tuple(sorted(levels, key=lambda level: -level.score))


def _cells(row: str) -> list[str]:
    inner = row.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(inner)]


def _check_formula(lines: Sequence[_Line], criteria: Sequence[Criterion], origin: str) -> None:
    """A formula in backticks must say what the weights say; prose may say anything."""
    weights = {criterion.name.casefold(): criterion.weight for criterion in criteria}
    for line in lines:
        for code in _CODE.findall(line.text):
            stated = {name.strip(" ()").casefold(): float(weight) for weight, name in _TERM.findall(code)}
            named = {name: weight for name, weight in stated.items() if name in weights}
            wrong = [name for name, weight in named.items() if abs(weight - weights[name]) > _TOLERANCE]
            if wrong:
                raise RubricError(f"{origin}: line {line.number}: the formula and the weight of {wrong[0]!r} disagree")


def _threshold(lines: Sequence[_Line], criteria: Sequence[Criterion], origin: str) -> float:
    for line in lines:
        match = _PASS.search(line.text)
        if match is None:
            continue
        threshold = float(match[1])
        best = sum(criterion.weight * criterion.scores[-1] for criterion in criteria)
        if threshold > best + _TOLERANCE:
            raise RubricError(f"{origin}: line {line.number}: no answer can reach {threshold}; the best is {best:g}")
        return threshold
    stated = [line for line in lines if line.text.strip() and not _rule(line.text)]
    if stated:
        raise RubricError(f'{origin}: line {stated[0].number}: write "- Pass: Overall score >= 4.0"')
    return DEFAULT_THRESHOLD
