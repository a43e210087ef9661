"""What the catalog says about a planned job at a location."""

import attrs

from finetuner.data.ports import Examples
from finetuner.providers.catalog import Catalog
from finetuner.providers.ports import Finding
from finetuner.providers.vertex.requests import METHODS
from finetuner.providers.vertex.settings import Settings


@attrs.frozen
class VertexAdvisor:
    """The `Advisor` of Vertex AI. What dates say is already among the rules that data is checked by."""

    catalog: Catalog
    settings: Settings

    def advise(self, model: str, training: Examples, method: str) -> tuple[Finding, ...]:  # noqa: ARG002  # places don't depend on data
        """Errors where the base isn't tuned at the location, or not by this method."""
        base = self.catalog.find(model)
        if base is None:
            return ()
        found: list[Finding] = []
        places, place = base.locations, self.settings.location
        if places and place not in places:
            message = f"{base.name} is tuned in {', '.join(places)} only, not in {place} ({base.source})"
            fix = f"set GOOGLE_CLOUD_LOCATION={places[0]}"
            found.append(Finding(severity="error", code="wrong_location", message=f"{message}; {fix}", fix=fix))
        if METHODS.get(method) not in base.methods:
            message = f"{base.name} can't be tuned by {method!r}, only by {', '.join(base.methods)}"
            found.append(
                Finding(severity="error", code="method_not_available", message=message, fix="choose another method")
            )
        return tuple(found)
