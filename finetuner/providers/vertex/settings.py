"""Where Vertex AI and Cloud Storage are: project, location, bucket, and hosts."""

import os
import re
from typing import Final, Self

import attrs

from finetuner.errors import UsageError

EMULATED_STORAGE: Final = "STORAGE_EMULATOR_HOST"
"""Where Cloud Storage is, if not at Google; its own client reads it too."""

_DEFAULT_LOCATION: Final = "us-central1"
_TIMEOUT: Final = 600.0
_GLOBAL: Final = "global"
_MULTI_REGIONS: Final = frozenset({"us", "eu"})
_LOCATED: Final = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)(?:/|$)")
_BUCKET: Final = re.compile(r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(?P<path>.*))?")


@attrs.frozen(kw_only=True)
class Settings:
    """What a connection needs to know.

    Attributes:
        project: The Google Cloud project; None is the one of the application default credentials.
        location: Where jobs run.
        serving: Where models answer; None is where the model's name says.
        bucket: `gs://bucket/prefix` for files; None where none was given.
        endpoint: Another host than Google's, with its scheme; None is Google's.
        timeout: Seconds for a whole call; None is 600.
    """

    project: str | None = None
    location: str = _DEFAULT_LOCATION
    serving: str | None = None
    bucket: str | None = None
    endpoint: str | None = attrs.field(default=None, repr=False)  # may hold a token
    timeout: float | None = None

    @classmethod
    def of(
        cls,
        *,
        project: str | None = None,
        location: str | None = None,
        serving: str | None = None,
        bucket: str | None = None,
        endpoint: str | None = None,
        timeout: float | None = None,
    ) -> Self:
        """What was given, else what the environment says.

        Read are `GOOGLE_CLOUD_PROJECT`, `GOOGLE_CLOUD_LOCATION`, `FINETUNER_VERTEX_SERVING`, `FINETUNER_GCS_BUCKET` and
        `FINETUNER_VERTEX_ENDPOINT`.

        Raises:
            UsageError: The bucket or the endpoint isn't well formed.
        """
        place = bucket or os.environ.get("FINETUNER_GCS_BUCKET")
        host = endpoint or os.environ.get("FINETUNER_VERTEX_ENDPOINT")
        if place:
            split_uri(place)
        if host and not host.startswith(("http://", "https://")):
            raise UsageError(f"the Vertex endpoint {host!r} needs its scheme, such as https://{host}")
        return cls(
            project=project or os.environ.get("GOOGLE_CLOUD_PROJECT") or None,
            location=location or os.environ.get("GOOGLE_CLOUD_LOCATION") or _DEFAULT_LOCATION,
            serving=serving or os.environ.get("FINETUNER_VERTEX_SERVING") or None,
            bucket=place.rstrip("/") if place else None,
            endpoint=host.rstrip("/") if host else None,
            timeout=timeout,
        )

    @property
    def seconds(self) -> float:
        """Seconds for a whole call."""
        return _TIMEOUT if self.timeout is None else self.timeout

    @property
    def anonymous(self) -> bool:
        """Whether calls go without credentials: over plain HTTP a token would be anyone's."""
        return self.endpoint is not None and self.endpoint.startswith("http://")

    def host(self, location: str) -> str:
        """The address of the service for a location, with its scheme.

        Multi-regions and the global location have hosts of their own (Google Cloud, 2026).
        """
        if self.endpoint is not None:
            return self.endpoint
        if location == _GLOBAL:
            return "https://aiplatform.googleapis.com"
        if location in _MULTI_REGIONS:
            return f"https://aiplatform.{location}.rep.googleapis.com"
        return f"https://{location}-aiplatform.googleapis.com"


def location_of(name: str) -> str | None:
    """The location in a resource's name (`projects/…/locations/…/…`), or None."""
    found = _LOCATED.match(name)
    return found["location"] if found else None


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and path of a `gs://` address; the path may be empty.

    Raises:
        UsageError: It isn't one.
    """
    found = _BUCKET.fullmatch(uri)
    if found is None:
        raise UsageError(f"{uri!r} isn't an address in Cloud Storage, such as gs://bucket/folder/file.jsonl")
    return found["bucket"], found["path"] or ""
