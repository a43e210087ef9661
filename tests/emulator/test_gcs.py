"""The emulated Cloud Storage as a plain HTTP client sees it: uploads of all kinds, preconditions, checksums, ranges."""

import base64
import http.client
import json
from urllib.parse import urlsplit

import pytest

from finetuner.emulator import Emulator
from finetuner.emulator.gcs_objects import checksums

UNIT = 256 * 1024


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with Emulator(workspace=tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture
def ask(emulator):
    def asked(method, path, body=b"", headers=None):
        connection = http.client.HTTPConnection(urlsplit(emulator.address).netloc, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    return asked


@pytest.fixture
def put(ask):
    def kept(name, content=b"content", **query):
        extra = "".join(f"&{key}={value}" for key, value in query.items())
        return ask("POST", f"/upload/storage/v1/b/bucket/o?uploadType=media&name={name}{extra}", content)

    return kept


def begin(ask, name, query="", described=None):
    body = json.dumps({"name": name, **(described or {})}).encode()
    status, headers, _ = ask("POST", f"/upload/storage/v1/b/bucket/o?uploadType=resumable{query}", body)
    assert status == 200
    parts = urlsplit(headers["Location"])
    return f"{parts.path}?{parts.query}"


def test_crc32c_is_castagnolis():
    """The check value of CRC-32C for the digits 1 to 9 is E3069283 (RFC 3720, appendix B.4 names the polynomial)."""
    crc32c, md5 = checksums(b"123456789")
    assert base64.b64decode(crc32c).hex() == "e3069283"
    assert base64.b64decode(md5).hex() == "25f9e794323b453885f5181f1b624d0b"


def test_an_object_has_the_properties_of_the_real_one(put, ask):
    status, _, body = put("a/b.txt")
    stored = json.loads(body)
    assert status == 200
    assert (stored["kind"], stored["name"], stored["bucket"], stored["size"]) == (
        "storage#object",
        "a/b.txt",
        "bucket",
        "7",
    )
    assert json.loads(ask("GET", "/storage/v1/b/bucket/o/a%2Fb.txt")[2]) == stored
    status, headers, content = ask("GET", "/download/storage/v1/b/bucket/o/a%2Fb.txt?alt=media")
    assert (status, content) == (200, b"content")
    assert headers["X-Goog-Hash"] == f"crc32c={stored['crc32c']},md5={stored['md5Hash']}"
    assert ask("GET", "/storage/v1/b/bucket/o/a%2Fb.txt?alt=media")[2] == b"content"


def test_generations_are_preconditions(put, ask):
    generation = json.loads(put("once", ifGenerationMatch=0)[2])["generation"]
    status, _, body = put("once", b"other", ifGenerationMatch=0)
    assert (status, json.loads(body)["error"]["errors"][0]["reason"]) == (412, "conditionNotMet")
    assert put("once", b"other", ifGenerationMatch=generation)[0] == 200
    assert put("once", b"third", ifGenerationMatch=generation)[0] == 412
    assert ask("DELETE", f"/storage/v1/b/bucket/o/once?ifGenerationMatch={generation}")[0] == 412
    assert ask("GET", f"/storage/v1/b/bucket/o/once?generation={generation}")[0] == 404
    assert put("once", ifGenerationMatch="x")[0] == 400


def test_a_resumable_upload_takes_pieces_and_tells_how_far_it_is(ask):
    content = bytes(range(256)) * 3 * 1024
    where = begin(ask, "big")
    total = len(content)
    assert ask("PUT", where, b"", {"Content-Range": f"bytes */{total}"})[0] == 308
    status, headers, _ = ask("PUT", where, content[:UNIT], {"Content-Range": f"bytes 0-{UNIT - 1}/{total}"})
    assert (status, headers["Range"]) == (308, f"bytes=0-{UNIT - 1}")
    repeated = {"Content-Range": f"bytes 0-{2 * UNIT - 1}/{total}"}
    assert ask("PUT", where, content[: 2 * UNIT], repeated)[1]["Range"] == f"bytes=0-{2 * UNIT - 1}"
    last = {"Content-Range": f"bytes {2 * UNIT}-{total - 1}/{total}"}
    status, _, body = ask("PUT", where, content[2 * UNIT :], last)
    assert (status, json.loads(body)["size"]) == (200, str(total))
    assert ask("GET", "/storage/v1/b/bucket/o/big?alt=media")[2] == content
    assert ask("PUT", where, b"", {"Content-Range": f"bytes */{total}"})[0] == 404


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (f"bytes 5-{UNIT + 4}/{2 * UNIT}", UNIT),
        (f"bytes 0-99/{2 * UNIT}", 100),
        (f"bytes 0-{UNIT - 1}/{2 * UNIT}", 10),
        ("pages 1-2/3", 2),
    ],
    ids=["a gap", "no multiple of the unit", "another length", "no bytes"],
)
def test_pieces_that_do_not_fit_are_refused(ask, header, size):
    assert ask("PUT", begin(ask, "bad"), b"x" * size, {"Content-Range": header})[0] == 400


def test_a_damaged_upload_is_not_kept(ask):
    where = begin(ask, "damaged")
    wrong = {"X-Goog-Hash": f"crc32c={checksums(b'other')[0]}"}
    status, _, body = ask("PUT", where, b"content", wrong)
    assert status == 400
    assert "doesn't match calculated CRC32C" in json.loads(body)["error"]["message"]
    assert ask("GET", "/storage/v1/b/bucket/o/damaged")[0] == 404


def test_the_precondition_holds_until_the_last_piece(ask, put):
    where = begin(ask, "raced", "&ifGenerationMatch=0")
    put("raced", b"first")
    assert ask("PUT", where, b"second")[0] == 412
    assert ask("GET", "/storage/v1/b/bucket/o/raced?alt=media")[2] == b"first"


def test_a_cancelled_upload_is_gone(ask):
    where = begin(ask, "cancelled")
    assert ask("DELETE", where)[0] == 499
    assert ask("PUT", where, b"content")[0] == 404


def test_lists_go_by_prefix_and_page(put, ask):
    for name in ("list/a", "list/b", "list/c", "other"):
        put(name)
    first = json.loads(ask("GET", "/storage/v1/b/bucket/o?prefix=list/&maxResults=2")[2])
    assert [item["name"] for item in first["items"]] == ["list/a", "list/b"]
    token = first["nextPageToken"]
    second = json.loads(ask("GET", f"/storage/v1/b/bucket/o?prefix=list/&maxResults=2&pageToken={token}")[2])
    assert [item["name"] for item in second["items"]] == ["list/c"]
    assert "nextPageToken" not in second


def test_ranges(put, ask):
    put("ranged", b"0123456789")
    status, headers, content = ask("GET", "/download/storage/v1/b/bucket/o/ranged", headers={"Range": "bytes=2-4"})
    assert (status, headers["Content-Range"], content) == (206, "bytes 2-4/10", b"234")
    assert ask("GET", "/download/storage/v1/b/bucket/o/ranged", headers={"Range": "bytes=8-"})[2] == b"89"
    assert ask("GET", "/download/storage/v1/b/bucket/o/ranged", headers={"Range": "bytes=10-"})[0] == 416


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/storage/v1/b/bucket/o/none", 404, "notFound"),
        ("DELETE", "/storage/v1/b/bucket/o/none", 404, "notFound"),
        ("GET", "/storage/v1/b/UPPER/o/none", 400, "invalid"),
        ("GET", "/storage/v1/b/..%2Fx/o/none", 400, "invalid"),
        ("POST", "/upload/storage/v1/b/bucket/o?uploadType=other", 400, "invalid"),
        ("POST", "/upload/storage/v1/b/bucket/o?uploadType=media", 400, "invalid"),
        ("PUT", "/upload/storage/v1/b/bucket/o?upload_id=../../x", 404, "notFound"),
    ],
)
def test_refusals_are_in_cloud_storages_envelope(ask, method, path, status, reason):
    found, _, body = ask(method, path)
    if path.startswith("/storage/v1/b/.."):  # a decoded slash makes it an address that nobody knows
        assert found == 404
        return
    error = json.loads(body)["error"]
    assert (found, error["code"], error["errors"][0]["reason"]) == (status, status, reason)
