"""Vertex AI and Cloud Storage behind plain values.

Stable calls go through the generated client of Vertex AI's v1 API, over REST; what only v1beta1 has (preference tuning,
finer states) through an authorized session; answers through `google-genai`; files through Cloud Storage's client. Every
call gives plain JSON, and every failure is one of our errors.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object
from finetuner.providers.lenient import as_object, as_text
from finetuner.providers.refusals import Answer
from finetuner.providers.vertex import failures
from finetuner.providers.vertex.connection import Connection, storage_retry, vertex_ai
from finetuner.providers.vertex.failures import STORAGE, VERTEX
from finetuner.providers.vertex.settings import Settings, location_of, split_uri
from finetuner.providers.vertex.translation import Translation, body_of, headers_of

_PAGE: Final = 100
_STORAGE_PATIENCE: Final = 60.0
_LINES: Final = "application/jsonl"


@attrs.frozen(eq=False)
class Client:
    """Calls of Vertex AI and Cloud Storage. Safe in threads, in event loops and after a fork.

    Attributes:
        connection: Google's clients.
        translation: From their exceptions to our errors.
    """

    connection: Connection
    translation: Translation = attrs.field(repr=False)

    @classmethod
    def of(cls, settings: Settings, *, access_token: str | None = None, clock: Clock = SYSTEM_CLOCK) -> "Client":
        """A client of these places; nothing is opened yet."""
        connection = Connection(settings=settings, access_token=access_token)
        return cls(connection, Translation(settings, clock, access_token))

    @property
    def settings(self) -> Settings:
        """Where to."""
        return self.connection.settings

    @property
    def project(self) -> str:
        """The project.

        Raises:
            UsageError: None is known.
            AuthenticationError: There are no credentials to tell it.
        """
        with self.translation.of(VERTEX):
            return self.connection.project

    @property
    def parent(self) -> str:
        """`projects/…/locations/…`, where jobs are created. Raises like `project`."""
        return f"projects/{self.project}/locations/{self.settings.location}"

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def create_job(self, body: JsonObject) -> JsonObject:
        """The new tuning job, through the stable API. Sent once: nothing retries it."""
        parent = self.parent
        with self.translation.of(VERTEX):
            job = _message("TuningJob", body)
            tuning = self.connection.tuning(self.settings.location)
            return _plain(
                tuning.create_tuning_job(parent=parent, tuning_job=job, timeout=self.settings.seconds, retry=None)
            )

    def create_beta_job(self, body: JsonObject) -> JsonObject:
        """The new tuning job, through v1beta1. Sent once."""
        return self.beta("POST", f"{self.parent}/tuningJobs", body)

    def job(self, name: str) -> JsonObject:
        """A tuning job now."""
        with self.translation.of(VERTEX):
            tuning = self.connection.tuning(self._location(name))
            return _plain(tuning.get_tuning_job(name=name, timeout=self.settings.seconds))

    def jobs(self, wanted: str = "") -> Iterator[JsonObject]:
        """All tuning jobs, newest first, page by page; those that a filter wants, where the service filters."""
        request = {"parent": self.parent, "filter": wanted, "page_size": _PAGE}
        with self.translation.of(VERTEX):
            tuning = self.connection.tuning(self.settings.location)
            for job in tuning.list_tuning_jobs(request=request, timeout=self.settings.seconds):
                yield _plain(job)

    def cancel_job(self, name: str) -> None:
        """Ask a tuning job to stop."""
        with self.translation.of(VERTEX):
            self.connection.tuning(self._location(name)).cancel_tuning_job(name=name, timeout=self.settings.seconds)

    def beta(self, verb: str, path: str, body: JsonObject | None = None) -> JsonObject:
        """The answer of a v1beta1 address below the host, such as `projects/…/tuningJobs/…`."""
        return self._rest(verb, "v1beta1", path, body=body)

    def look(self, path: str, query: Mapping[str, str] | None = None) -> JsonObject:
        """What lies at a v1 address below the host, such as `projects/…/tensorboards/…`."""
        return self._rest("GET", "v1", path, query=query)

    def _rest(
        self,
        verb: str,
        version: str,
        path: str,
        *,
        body: JsonObject | None = None,
        query: Mapping[str, str] | None = None,
    ) -> JsonObject:
        with self.translation.of(VERTEX):
            url = f"{self.settings.host(self._location(path))}/{version}/{quote(path, safe='/:@')}"
            answer = self.connection.session.request(verb, url, json=body, params=query, timeout=self.settings.seconds)
            found: Json = body_of(answer)
            if not answer.ok:
                error = as_object(as_object(found).get("error"))
                words = as_text(error.get("message")) or answer.text or str(answer.reason)
                raise self.translation.failure(
                    VERTEX,
                    Answer(
                        status=answer.status_code,
                        message=words,
                        code=as_text(error.get("status")),
                        headers=headers_of(answer),
                    ),
                )
            if not is_object(found):
                raise failures.unexpected(VERTEX, answer.text or "it is empty")
            return found

    # -- batches -------------------------------------------------------------------------------------------------------

    def create_batch(self, body: JsonObject) -> JsonObject:
        """The new batch prediction. Sent once."""
        parent = self.parent
        with self.translation.of(VERTEX):
            job = _message("BatchPredictionJob", body)
            jobs = self.connection.jobs(self.settings.location)
            return _plain(
                jobs.create_batch_prediction_job(
                    parent=parent, batch_prediction_job=job, timeout=self.settings.seconds, retry=None
                )
            )

    def batch(self, name: str) -> JsonObject:
        """A batch prediction now."""
        with self.translation.of(VERTEX):
            jobs = self.connection.jobs(self._location(name))
            return _plain(jobs.get_batch_prediction_job(name=name, timeout=self.settings.seconds))

    def batches(self, wanted: str = "") -> Iterator[JsonObject]:
        """All batch predictions, newest first, page by page; those that a filter wants."""
        request = {"parent": self.parent, "filter": wanted, "page_size": _PAGE}
        with self.translation.of(VERTEX):
            jobs = self.connection.jobs(self.settings.location)
            for job in jobs.list_batch_prediction_jobs(request=request, timeout=self.settings.seconds):
                yield _plain(job)

    def cancel_batch(self, name: str) -> None:
        """Ask a batch prediction to stop."""
        with self.translation.of(VERTEX):
            jobs = self.connection.jobs(self._location(name))
            jobs.cancel_batch_prediction_job(name=name, timeout=self.settings.seconds)

    # -- answers -------------------------------------------------------------------------------------------------------

    def generate(self, model: str, body: JsonObject, timeout: float | None) -> JsonObject:
        """The whole answer of a model, by its name or its endpoint's."""
        with self.translation.of(VERTEX):
            client = self.connection.genai(self._serving(model))
            return _dumped(client.models.generate_content(**_asked(model, body, timeout)))

    async def generate_async(self, model: str, body: JsonObject, timeout: float | None) -> JsonObject:
        """The whole answer, without blocking the event loop."""
        with self.translation.of(VERTEX):
            client = await self.connection.genai_of_this_loop(self._serving(model))
            return _dumped(await client.aio.models.generate_content(**_asked(model, body, timeout)))

    def stream(self, model: str, body: JsonObject, timeout: float | None) -> Iterator[JsonObject]:
        """The answer's pieces."""
        with self.translation.of(VERTEX):
            client = self.connection.genai(self._serving(model))
            for piece in client.models.generate_content_stream(**_asked(model, body, timeout)):
                yield _dumped(piece)

    async def stream_async(self, model: str, body: JsonObject, timeout: float | None) -> AsyncIterator[JsonObject]:
        """The answer's pieces, without blocking the event loop."""
        with self.translation.of(VERTEX):
            client = await self.connection.genai_of_this_loop(self._serving(model))
            pieces = await client.aio.models.generate_content_stream(**_asked(model, body, timeout))
            async for piece in pieces:
                yield _dumped(piece)

    def count_tokens(self, model: str, body: JsonObject) -> JsonObject:
        """How many tokens a prompt has."""
        with self.translation.of(VERTEX):
            client = self.connection.genai(self._serving(model))
            return _dumped(client.models.count_tokens(**_asked(model, body, None)))

    # -- files ---------------------------------------------------------------------------------------------------------

    def upload(self, path: Path, uri: str, metadata: Mapping[str, str]) -> bool:
        """Send a file, checked by CRC32C, in resumable parts where it is large; whether it wasn't there before.

        It is written only where nothing is: a repetition after a lost answer finds it there.
        """
        with self.translation.of(STORAGE):
            blob = self._blob(uri)
            blob.metadata = dict(metadata)
            from google.api_core.exceptions import PreconditionFailed

            try:
                blob.upload_from_filename(
                    str(path), content_type=_LINES, checksum="crc32c", if_generation_match=0, **self._patience()
                )
            except PreconditionFailed:
                return False
            return True

    def stored(self, uri: str) -> JsonObject:
        """An object's properties: `name`, `size`, `crc32c`, `generation`, `metadata`."""
        with self.translation.of(STORAGE):
            blob = self._blob(uri)
            blob.reload(**self._patience())
            named = {name: getattr(blob, name) for name in ("name", "size", "crc32c", "generation")}
            return named | {"metadata": dict(blob.metadata or {})}

    def listed(self, uri: str) -> list[str]:
        """The `gs://` addresses that begin with this one."""
        bucket, prefix = split_uri(uri)
        with self.translation.of(STORAGE):
            found = self.connection.storage.list_blobs(bucket, prefix=prefix, **self._patience())
            return [f"gs://{bucket}/{blob.name}" for blob in found]

    def download(self, uri: str, target: Path, *, generation: int) -> None:
        """Write an object's bytes, checked by CRC32C, to a file."""
        with self.translation.of(STORAGE):
            self._blob(uri).download_to_filename(
                str(target), checksum="crc32c", if_generation_match=generation, **self._patience()
            )

    def delete_file(self, uri: str) -> None:
        """Remove an object."""
        with self.translation.of(STORAGE):
            self._blob(uri).delete(**self._patience())

    def _blob(self, uri: str) -> Any:
        bucket, name = split_uri(uri)
        return self.connection.storage.bucket(bucket).blob(name)

    def _patience(self) -> dict[str, Any]:
        """Times for a single request, and for all its repetitions."""
        seconds = self.settings.seconds
        return {"timeout": seconds, "retry": storage_retry(min(_STORAGE_PATIENCE, seconds))}

    def _serving(self, model: str) -> str:
        return self.settings.serving or self._location(model)

    def _location(self, name: str) -> str:
        return location_of(name) or self.settings.location


def _asked(model: str, body: JsonObject, timeout: float | None) -> dict[str, Any]:
    config = {name: value for name, value in body.items() if name not in {"contents", "generationConfig"}}
    config |= as_object(body.get("generationConfig"))
    if timeout is not None:
        config["httpOptions"] = {"timeout": int(timeout * 1000)}
    return {"model": model, "contents": body["contents"], "config": config}


def _message(kind: str, body: JsonObject) -> Any:
    message: Any = getattr(vertex_ai(), kind)()
    from google.protobuf import json_format

    try:
        json_format.ParseDict(body, _wire(message))
    except json_format.ParseError as error:
        raise failures.rejected(f"Vertex AI's {kind} has no such field or value: {error}") from error
    return message


def _plain(message: Any) -> JsonObject:
    """The JSON of one of the generated messages."""
    from google.protobuf import json_format

    plain: JsonObject = json_format.MessageToDict(_wire(message))
    return plain


def _wire(message: Any) -> Any:
    kind: Any = message.__class__
    return kind.pb(message)


def _dumped(value: Any) -> JsonObject:
    """The JSON of one of the SDK's objects, the answer's headers among it."""
    plain: JsonObject = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain
