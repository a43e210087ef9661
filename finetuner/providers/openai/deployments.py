"""Putting a tuned model into service, where a service asks for that: calls to its control plane."""

import os
from collections.abc import Mapping
from typing import Final, Self

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.types import Json, JsonObject
from finetuner._core.waiting import PollPolicy
from finetuner.data.shapes import is_object
from finetuner.errors import AuthenticationError, NotFoundError, ProviderTimeoutError, UsageError
from finetuner.providers.openai import flavours
from finetuner.providers.openai.client import Client
from finetuner.providers.openai.failures import rejected
from finetuner.providers.openai.flavours import Deployment, Flavour

_READY: Final = "Succeeded"
_BROKEN: Final = frozenset({"Failed", "Canceled"})
_PATIENCE: Final = 1800.0


@attrs.frozen(kw_only=True)
class Deployments:
    """Tuned models in service, by the names under which they answer.

    On Azure, a deployment's name is the model to ask: `Model("azure:tickets")`. It costs by the hour until it is
    deleted.
    """

    flavour: Flavour
    client: Client
    settings: Mapping[str, str]
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)
    polling: PollPolicy = attrs.field(factory=PollPolicy, repr=False)

    @classmethod
    def at(
        cls,
        flavour: str = "azure",
        *,
        token: str | None = None,
        base_url: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
        **settings: str,
    ) -> Self:
        """The deployments of an account. Nothing is sent.

        Args:
            flavour: A service that deploys.
            token: The control plane's token; the flavour's variable by default (`AZURE_MANAGEMENT_TOKEN`).
            base_url: Another control plane.
            clock: For waiting.
            settings: What the service must know of the account; for Azure `subscription`, `resource_group`, `account`.

        Raises:
            UsageError: The service needs no deployment, or a setting is missing.
            AuthenticationError: There is no token.
        """
        service = flavours.get(flavour)
        step = _step(service)
        missing = [name for name in step.settings if not settings.get(name)]
        if missing:
            raise UsageError(f"deploying at {service.title} needs {', '.join(missing)}")
        key = token or os.environ.get(step.key_variable)
        if not key:
            message = f"no token for {service.title}'s control plane; set {step.key_variable}, or pass token"
            raise AuthenticationError(message, provider=service.name)
        client = Client(flavour=service, base_url=base_url or step.base_url, api_key=key, clock=clock)
        return cls(flavour=service, client=client, settings=settings, clock=clock)

    def create(self, name: str, model: str, *, sku: str = "Standard", capacity: int = 1) -> None:
        """Put a tuned model into service under a name, and wait until it answers; doing it again changes nothing.

        Args:
            name: What to ask for afterwards.
            model: The tuned model.
            sku: The tier, such as `Standard`, `GlobalStandard` or `DeveloperTier`.
            capacity: Units of the tier.

        Raises:
            RequestRejectedError: It can't be deployed.
            ProviderTimeoutError: It isn't ready after 30 minutes.
        """
        properties = {"model": {"format": "OpenAI", "name": model, "version": "1"}}
        self.client.at("put", self._path(name), {"sku": {"name": sku, "capacity": capacity}, "properties": properties})
        start = self.clock.monotonic()
        for delay in self.polling.delays():
            state = self.state(name)
            if state == _READY:
                return
            if state in _BROKEN:
                raise rejected(f"{self.flavour.title} couldn't deploy {model} as {name}: {state}", code="not_deployed")
            if self.clock.monotonic() - start > _PATIENCE:
                message = f"deployment {name} is still {state!r} after {_PATIENCE:.0f} s; look again later"
                raise ProviderTimeoutError(message, provider=self.flavour.name)
            self.clock.sleep(delay)

    def state(self, name: str) -> str:
        """The service's word for how far a deployment is. Raises `NotFoundError`."""
        answer = self.client.at("get", self._path(name))
        properties: Json = answer.get("properties") if is_object(answer) else None
        found: JsonObject = properties if is_object(properties) else {}
        return str(found.get("provisioningState"))

    def delete(self, name: str) -> None:
        """Take a model out of service; doing it twice is no error."""
        try:
            self.client.at("delete", self._path(name))
        except NotFoundError:
            return

    def _path(self, name: str) -> str:
        return _step(self.flavour).path.format(name=name, **self.settings)


def _step(service: Flavour) -> Deployment:
    if service.deployment is None:
        raise UsageError(f"{service.title} needs no deployment: tuned models answer at once")
    return service.deployment
