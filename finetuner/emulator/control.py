"""The emulator's own addresses, for programs in any language: order faults, look at them, forget them."""

from typing import Final

import attrs
import cattrs
from starlette.responses import Response

from finetuner._core import codec
from finetuner._core.types import Json
from finetuner.data.shapes import is_object
from finetuner.emulator.faults import PRESETS, Fault, Faults, preset
from finetuner.emulator.faulty import CONTROL
from finetuner.emulator.openai_routes import authorize, refusal
from finetuner.emulator.routing import Call, Family, RefusedError, Route, answer
from finetuner.errors import UnknownNameError

_FAULTS: Final = f"{CONTROL}faults"
_FIELDS: Final = frozenset(field.name for field in attrs.fields(Fault))


def control_family(faults: Faults) -> Family:
    """The addresses below `/emulator`."""
    control = _Control(faults)
    routes = (
        Route("GET", _FAULTS, control.ordered),
        Route("POST", _FAULTS, control.order),
        Route("DELETE", _FAULTS, control.clear),
    )
    return Family(prefixes=(CONTROL,), routes=routes, refusal=refusal, authorize=authorize)


@attrs.frozen
class _Control:
    faults: Faults

    def ordered(self, call: Call) -> Response:
        del call
        items = [{"fault": codec.unstructure(fault), "times": left} for fault, left in self.faults.ordered()]
        return answer({"ordered": items, "presets": sorted(PRESETS)})

    def order(self, call: Call) -> Response:
        body = call.json()
        times: Json = body.get("times", 1)
        if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
            raise RefusedError(400, "'times' must be a whole number from 1, or null for always", param="times")
        self.faults.add(_fault(body.get("fault")), times=times)
        return self.ordered(call)

    def clear(self, call: Call) -> Response:
        self.faults.clear()
        return self.ordered(call)


def _fault(given: Json) -> Fault:
    try:
        if isinstance(given, str):
            return preset(given)
        if not is_object(given):
            raise RefusedError(400, "'fault' must be the name of a preset, or an object", param="fault")
        unknown = sorted(set(given) - _FIELDS)
        if unknown:
            raise RefusedError(400, f"a fault has no {', '.join(unknown)}", param="fault")
        return codec.structure(given, Fault)
    except (UnknownNameError, cattrs.BaseValidationError) as error:
        raise RefusedError(400, f"'fault': {error}", param="fault") from error
