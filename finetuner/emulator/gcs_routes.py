"""Cloud Storage's JSON API: uploads in its three ways, downloads, properties and lists."""

import re
from email.message import Message
from typing import Final

import attrs
from starlette.responses import Response

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object
from finetuner.emulator.gcs_objects import Objects, Properties, Stored, match_generation
from finetuner.emulator.gcs_sessions import Session, Sessions
from finetuner.emulator.google_access import authorize, called_at
from finetuner.emulator.routing import Call, Family, RefusedError, Route, answer

_API: Final = "/storage/v1"
_UPLOAD: Final = "/upload/storage/v1/b/{bucket}/o"
_INCOMPLETE: Final = 308
_MOST_ON_A_PAGE: Final = 1_000
_LONGEST_NAME: Final = 1_024
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_BYTES: Final = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")
_HASHES: Final = re.compile(r"(crc32c|md5)=([A-Za-z0-9+/=]+)")
_TYPES: Final = {400: "invalid", 403: "forbidden", 404: "notFound", 412: "conditionNotMet", 413: "uploadTooLarge"}


def gcs_family(objects: Objects, sessions: Sessions) -> Family:
    """The addresses of Cloud Storage."""
    api = _Storage(objects, sessions)
    one = "/storage/v1/b/{bucket}/o/{name:path}"
    routes = (
        Route("POST", _UPLOAD, api.upload),
        Route("PUT", _UPLOAD, api.add_piece),
        Route("DELETE", _UPLOAD, api.cancel),
        Route("GET", "/download/storage/v1/b/{bucket}/o/{name:path}", api.download),
        Route("GET", one, api.get),
        Route("DELETE", one, api.delete),
        Route("GET", "/storage/v1/b/{bucket}/o", api.list),
        Route("GET", "/storage/v1/b/{bucket}", api.bucket),
        Route("POST", "/storage/v1/b", api.create_bucket),
    )
    prefixes = ("/storage/", "/upload/storage/", "/download/storage/")
    return Family(prefixes=prefixes, routes=routes, refusal=refusal, authorize=authorize)


def refusal(refused: RefusedError) -> Response:
    """An error in Cloud Storage's envelope."""
    reason = refused.code or _TYPES.get(refused.status, "backendError")
    details = [{"message": refused.message, "domain": "global", "reason": reason}]
    body = {"error": {"code": refused.status, "message": refused.message, "errors": details}}
    return answer(body, refused.status, refused.headers)


@attrs.frozen
class _Storage:
    objects: Objects
    sessions: Sessions

    # -- uploads -------------------------------------------------------------------------------------------------------

    def upload(self, call: Call) -> Response:
        kind = call.query.get("uploadType")
        if kind == "resumable":
            return self._begin(call)
        if kind == "multipart":
            described, content, content_type = _related(call)
            given = _properties(call, described, content_type)
        elif kind == "media":
            content, given = call.body, _properties(call, {}, call.headers.get("content-type"))
        else:
            raise _bad("uploadType must be media, multipart or resumable")
        return answer(_object(self.objects.put(given, content), call))

    def add_piece(self, call: Call) -> Response:
        session = self.sessions.get(call.query.get("upload_id", ""))
        content = self.sessions.add(session, call.headers.get("content-range"), call.body)
        if content is None:
            received = self.sessions.received(session)
            return Response(b"", _INCOMPLETE, {"Range": f"bytes=0-{received - 1}"} if received else {})
        hashes = dict(_HASHES.findall(call.headers.get("x-goog-hash", "")))
        given = attrs.evolve(
            session.properties,
            crc32c=hashes.get("crc32c", session.properties.crc32c),
            md5=hashes.get("md5", session.properties.md5),
        )
        stored = self.objects.put(given, content)
        self.sessions.end(session)
        return answer(_object(stored, call))

    def cancel(self, call: Call) -> Response:
        self.sessions.end(self.sessions.get(call.query.get("upload_id", "")))
        return Response(b"", 499)

    def _begin(self, call: Call) -> Response:
        given = _properties(call, call.json() if call.body else {}, call.headers.get("x-upload-content-type"))
        self.objects.expect(given)
        length = call.headers.get("x-upload-content-length", "")
        session: Session = self.sessions.begin(given, int(length) if length.isdigit() else None)
        where = f"{called_at(call)}/upload/storage/v1/b/{given.bucket}/o?uploadType=resumable&upload_id={session.id}"
        return Response(b"", 200, {"Location": where, "X-GUploader-UploadID": session.id})

    # -- objects -------------------------------------------------------------------------------------------------------

    def get(self, call: Call) -> Response:
        if call.query.get("alt") == "media":
            return self.download(call)
        return answer(_object(self._expected(call), call))

    def download(self, call: Call) -> Response:
        stored = self._expected(call)
        content, headers = self.objects.path(stored).read_bytes(), _content_headers(stored)
        wanted = _BYTES.fullmatch(call.headers.get("range", ""))
        if wanted is None:
            return Response(content, 200, headers, stored.content_type)
        first, last = int(wanted[1]), min(int(wanted[2] or stored.size), stored.size - 1)
        if first > last:
            raise RefusedError(416, "The requested range cannot be satisfied.", code="requestedRangeNotSatisfiable")
        headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
        return Response(content[first : last + 1], 206, headers, stored.content_type)

    def delete(self, call: Call) -> Response:
        stored = self._expected(call)
        self.objects.delete(stored.bucket, stored.name)
        return Response(b"", 204)

    def list(self, call: Call) -> Response:
        found = self.objects.list(_bucket(call), call.query.get("prefix", ""))
        limit = call.number("maxResults", _MOST_ON_A_PAGE, _MOST_ON_A_PAGE)
        after = call.query.get("pageToken", "")
        rest = [each for each in found if each.name > after]
        page: JsonObject = {"kind": "storage#objects", "items": [_object(each, call) for each in rest[:limit]]}
        if len(rest) > limit:
            page["nextPageToken"] = rest[limit - 1].name
        return answer(page)

    def bucket(self, call: Call) -> Response:
        return answer(_bucket_object(_bucket(call)))

    def create_bucket(self, call: Call) -> Response:
        name: Json = call.json().get("name")
        if not isinstance(name, str) or not _BUCKET.fullmatch(name):
            raise _bad(f"Invalid bucket name: {name!r}")
        return answer(_bucket_object(name))

    def _expected(self, call: Call) -> Stored:
        stored = self.objects.get(_bucket(call), call.parameters["name"])
        generation = call.query.get("generation")
        if generation is not None and generation != str(stored.generation):
            raise RefusedError(404, f"No such object: {stored.bucket}/{stored.name}#{generation}", code="notFound")
        expected = _match(call)
        if expected is not None:
            match_generation(expected, stored.generation)
        return stored


def _properties(call: Call, described: JsonObject, content_type: str | None) -> Properties:
    name: Json = described.get("name") or call.query.get("name")
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= _LONGEST_NAME:
        raise _bad(f"An object needs a name of 1 to {_LONGEST_NAME} bytes")
    metadata: Json = described.get("metadata") or {}
    if not is_object(metadata) or any(not isinstance(value, str) for value in metadata.values()):
        raise _bad("metadata must be pairs of text")
    return Properties(
        bucket=_bucket(call),
        name=name,
        content_type=described.get("contentType") or content_type or "application/octet-stream",
        metadata=metadata,
        crc32c=described.get("crc32c"),
        md5=described.get("md5Hash"),
        generation_match=_match(call),
    )


def _bucket(call: Call) -> str:
    name = call.parameters["bucket"]
    if not _BUCKET.fullmatch(name):
        raise _bad(f"Invalid bucket name: '{name}'")
    return name


def _match(call: Call) -> int | None:
    text = call.query.get("ifGenerationMatch")
    if text is None:
        return None
    if not text.isdigit():
        raise _bad(f"Invalid ifGenerationMatch: '{text}'")
    return int(text)


def _related(call: Call) -> tuple[JsonObject, bytes, str | None]:
    """Properties, content and content type of a body of two parts (`multipart/related`, RFC 2387)."""
    kind = Message()
    kind["Content-Type"] = call.headers.get("content-type", "")
    boundary = kind.get_boundary()
    if kind.get_content_type() != "multipart/related" or not boundary:
        raise _bad("The body must be multipart/related")
    line = b"--" + boundary.encode()
    pieces = (b"\r\n" + call.body).split(b"\r\n" + line)
    if len(pieces) != 4 or not pieces[-1].startswith(b"--"):  # noqa: PLR2004  # before, properties, content, end
        raise _bad("The body must have two parts")
    parts = [piece.removeprefix(b"\r\n").partition(b"\r\n\r\n") for piece in pieces[1:3]]
    try:
        described: Json = codec.decode(parts[0][2])
    except ValueError as error:
        raise _bad(f"The first part isn't JSON: {error}") from error
    if not is_object(described):
        raise _bad("The first part isn't a JSON object")
    found = re.search(rb"(?im)^content-type:\s*([^\r\n]+)", parts[1][0])
    return described, parts[1][2], found[1].decode("latin-1") if found else None


def _object(stored: Stored, call: Call) -> JsonObject:
    link = f"{call.address}{_API}/b/{stored.bucket}/o/{stored.name}"
    return {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": link,
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": "1",
        "contentType": stored.content_type,
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "md5Hash": stored.md5,
        "crc32c": stored.crc32c,
        "etag": stored.md5,
        "timeCreated": stored.created,
        "updated": stored.created,
        "metadata": dict(stored.metadata),
    }


def _bucket_object(name: str) -> JsonObject:
    return {"kind": "storage#bucket", "id": name, "name": name, "location": "US", "storageClass": "STANDARD"}


def _content_headers(stored: Stored) -> dict[str, str]:
    return {
        "X-Goog-Hash": f"crc32c={stored.crc32c},md5={stored.md5}",
        "X-Goog-Generation": str(stored.generation),
        "X-Goog-Stored-Content-Length": str(stored.size),
        "ETag": stored.md5,
    }


def _bad(message: str) -> RefusedError:
    return RefusedError(400, message, code="invalid")
