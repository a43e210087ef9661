"""Losses of the emulated Vertex AI: the experiment of each tuning job, and its TensorBoard."""

from collections.abc import Iterator
from typing import Final

import attrs
from starlette.responses import Response

from finetuner._core.types import JsonObject
from finetuner.emulator.routing import Call, RefusedError, Route, answer
from finetuner.emulator.vertex_state import StoredTuning, Tunings
from finetuner.emulator.vertex_wire import moment

_PLACE: Final = "/v1/projects/{project}/locations/{location}"
_BOARD: Final = "1"
_RUN: Final = "tuning"
_SERIES: Final = {
    "1": ("/train_total_loss", "train_loss"),
    "2": ("/train_fraction_of_correct_next_step_preds", "train_accuracy"),
    "3": ("/eval_total_loss", "valid_loss"),
    "4": ("/eval_fraction_of_correct_next_step_preds", "valid_accuracy"),
}
"""Ids of the series, their names at Vertex AI and ours."""


@attrs.frozen
class Boards:
    """All experiments of an emulator.

    Attributes:
        tunings: The jobs that they belong to.
    """

    tunings: Tunings

    def routes(self) -> tuple[Route, ...]:
        """The addresses of experiments and their boards."""
        board = f"{_PLACE}/tensorboards/{{board}}"
        runs = f"{board}/experiments/{{experiment}}/runs"
        return (
            Route("GET", f"{_PLACE}/metadataStores/default/contexts/{{experiment}}", self._context),
            Route("GET", runs, self._runs),
            Route("GET", f"{runs}/{{run}}/timeSeries", self._series),
            Route("GET", f"{runs}/{{run}}/timeSeries/{{series}}:read", self._read),
        )

    def _context(self, call: Call) -> Response:
        job = self._job(call, call.parameters["experiment"])
        board = f"{job.parent}/tensorboards/{_BOARD}"
        return answer(
            {
                "name": job.experiment,
                "displayName": job.experiment.rpartition("/")[2],
                "schemaTitle": "system.Experiment",
                "metadata": {"backing_tensorboard_resource": board},
            }
        )

    def _runs(self, call: Call) -> Response:
        experiment = call.parameters["experiment"]
        job = self._job(call, experiment)
        name = f"{job.parent}/tensorboards/{_BOARD}/experiments/{experiment}/runs/{_RUN}"
        return answer({"tensorboardRuns": [{"name": name, "displayName": _RUN}]})

    def _series(self, call: Call) -> Response:
        experiment = call.parameters["experiment"]
        job = self._job(call, experiment)
        run = f"{job.parent}/tensorboards/{_BOARD}/experiments/{experiment}/runs/{_RUN}"
        found = [
            {"name": f"{run}/timeSeries/{identity}", "displayName": shown, "valueType": "SCALAR"}
            for identity, (shown, _) in _SERIES.items()
        ]
        return answer({"tensorboardTimeSeries": found})

    def _read(self, call: Call) -> Response:
        job, series = self._job(call, call.parameters["experiment"]), call.parameters["series"]
        measure = _SERIES.get(series, ("", ""))[1]
        data = {"tensorboardTimeSeriesId": series, "valueType": "SCALAR", "values": list(self._values(job, measure))}
        return answer({"timeSeriesData": data})

    def _values(self, job: StoredTuning, measure: str) -> Iterator[JsonObject]:
        for event in () if job.played_by is None else self.tunings.backend.trainer.events(job.played_by):
            if "step" in event.metrics and measure in event.metrics:
                yield {
                    "step": str(int(event.metrics["step"])),
                    "wallTime": moment(event.created_at),
                    "scalar": {"value": event.metrics[measure]},
                }

    def _job(self, call: Call, experiment: str) -> StoredTuning:
        job = self.tunings.job(_parent(call), experiment.rpartition("-")[2])
        if not job.experiment.endswith(f"/{experiment}"):
            raise RefusedError(404, f"Context {experiment} is not found.", code="NOT_FOUND")
        return job


def _parent(call: Call) -> str:
    return f"projects/{call.parameters['project']}/locations/{call.parameters['location']}"
