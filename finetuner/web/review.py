"""The page on which people review examples one by one, with the keyboard."""

import asyncio
from collections.abc import Callable
from importlib import resources
from typing import Any, Final

import attrs
import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.data.dataset import Dataset
from finetuner.errors import UsageError
from finetuner.web.opinions import VERDICTS, Opinion, OpinionLog, Summary, summarize

_LONGEST_NOTE: Final = 10_000  # characters
_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("finetuner.web"), autoescape=True, undefined=jinja2.StrictUndefined
)


@attrs.frozen(kw_only=True)
class ReviewDesk:
    """One reviewer in front of a data set.

    Attributes:
        data: What to review.
        reviewer: Who.
        log: Where opinions go.
        clock: Tells when.
    """

    data: Dataset
    reviewer: str
    log: OpinionLog
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)

    def opinions(self) -> tuple[Opinion, ...]:
        """The opinions of all reviewers on rows that still are what they were."""
        hashes = {row: example.content_hash for row, example in enumerate(self.data)}
        return self.log.read(hashes)

    def mine(self) -> dict[int, Opinion]:
        """This reviewer's opinions by row. Others' aren't shown: a second opinion is worth something unseen."""
        return {opinion.row: opinion for opinion in self.opinions() if opinion.reviewer == self.reviewer}

    def next_row(self, after: int = -1) -> int | None:
        """The next row without this reviewer's opinion, from the start again after the last; None when done."""
        done = self.mine()
        rows = [*range(after + 1, len(self.data)), *range(after + 1)]
        return next((row for row in rows if row not in done), None)

    def decide(self, row: int, verdict: str, *, correction: str = "", note: str = "") -> Opinion:
        """Keep an opinion.

        Raises:
            UsageError: There is no such row or verdict, or the text is too long.
        """
        if not 0 <= row < len(self.data):
            raise UsageError(f"there is no row {row}: rows go from 0 to {len(self.data) - 1}")
        if verdict not in VERDICTS:
            raise UsageError(f"unknown verdict {verdict!r}; known: {', '.join(VERDICTS)}")
        if max(len(correction), len(note)) > _LONGEST_NOTE:
            raise UsageError(f"a note or correction may have {_LONGEST_NOTE:,} characters")
        opinion = Opinion(
            row=row,
            content_hash=self.data[row].content_hash,
            reviewer=self.reviewer,
            verdict=verdict,
            correction=correction.strip(),
            note=note.strip(),
            at=self.clock.now(),
        )
        self.log.add(opinion)
        return opinion

    def summary(self) -> Summary:
        """What all reviewers found so far."""
        return summarize(len(self.data), self.opinions())


def routes(desk: ReviewDesk, on_change: Callable[[Summary], None] | None = None) -> list[Route]:
    """The page's routes.

    Args:
        desk: The reviewer and the data set.
        on_change: Is told the summary after every opinion.
    """

    async def start(_request: Request) -> Response:
        row = desk.next_row()
        return RedirectResponse("/done" if row is None else f"/row/{row}", status_code=303)

    async def show(request: Request) -> Response:
        row = int(request.path_params["row"])
        if row >= len(desk.data):
            return PlainTextResponse(f"there is no row {row}\n", 404)
        return await asyncio.to_thread(_row_page, desk, row)

    async def decide(request: Request) -> Response:
        row = int(request.path_params["row"])
        async with request.form(max_files=0, max_fields=8) as form:
            said = {name: str(value) for name, value in form.items()}
        try:
            await asyncio.to_thread(
                desk.decide,
                row,
                said.get("verdict", ""),
                correction=said.get("correction", ""),
                note=said.get("note", ""),
            )
        except UsageError as error:
            return PlainTextResponse(f"{error}\n", 400)
        if on_change is not None:
            on_change(desk.summary())
        following = desk.next_row(row)
        return RedirectResponse("/done" if following is None else f"/row/{following}", status_code=303)

    async def done(_request: Request) -> Response:
        return _page("done.html", summary=str(desk.summary()), file=str(desk.log.path), rows=len(desk.data))

    async def script(_request: Request) -> Response:
        text = resources.files("finetuner.web").joinpath("templates/review.js").read_text("utf-8")
        return Response(text, media_type="text/javascript")

    return [
        Route("/", start),
        Route("/row/{row:int}", show),
        Route("/row/{row:int}", decide, methods=["POST"]),
        Route("/done", done),
        Route("/review.js", script),
    ]


def _row_page(desk: ReviewDesk, row: int) -> Response:
    example = desk.data[row]
    done = desk.mine()
    return _page(
        "row.html",
        row=row,
        rows=len(desk.data),
        done=len(done),
        line=desk.data.line(row),
        turns=[(message.role, message.text) for message in example.prompt],
        answer=example.completion,
        rejected=example.rejected.text if example.rejected is not None else None,
        metadata=dict(example.metadata),
        opinion=done.get(row),
        reviewer=desk.reviewer,
    )


def _page(name: str, **values: Any) -> Response:
    return HTMLResponse(_templates.get_template(name).render(**values))
