"""From a file as it lies on the disk to UTF-8 text: decompressed, and decoded from UTF-16 or UTF-32.

Decompression is bounded: a small file that grows without end is stopped, not unpacked.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from finetuner._core.extras import require
from finetuner.data.sources.bytestore import Bytes, held
from finetuner.errors import DataFormatError

MAX_BYTES: Final = 4 * 1024**3
"""Most bytes of a file once it is decompressed or decoded."""

_MAX_RATIO: Final = 200
_CHUNK: Final = 1 << 20
_ZSTD_CHUNK: Final = 2048  # compressed bytes at a time: a block of 4 may stand for 128 KiB
_ZSTD_WINDOW: Final = 1 << 27

GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
_WIDE: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the start of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_REFUSED: Final = (
    (b"PK\x03\x04", "the file is a ZIP archive (or a spreadsheet); unpack it, or save it as CSV"),
    (b"PAR1", "there is a Parquet file inside; give it uncompressed, Parquet compresses its columns itself"),
    (GZIP, "the file is compressed twice; decompress it once"),
    (ZSTD, "the file is compressed twice; decompress it once"),
)


def as_text(file: BinaryIO, size: int, *, name: str) -> Bytes | None:
    """A file as UTF-8; None where it is that already.

    Args:
        file: The file, at its start; can be sought.
        size: Its bytes.
        name: For people.

    Raises:
        DataFormatError: It holds no text, the compressed data is damaged, or it grows too large.
        MissingExtraError: It is compressed with Zstandard, and the extra `parquet` isn't installed.
        OSError: It can't be read.
    """
    head = file.read(4)
    file.seek(0)
    if head.startswith(GZIP):
        return _text(_bounded(_gunzip(file, name), size, name), name)
    if head == ZSTD:
        return _text(_bounded(_unzstd(file, name), size, name), name)
    _refuse(head, name)
    if _wide(head) is None:
        return None
    return _text(iter(lambda: file.read(_CHUNK), b""), name)


def _text(pieces: Iterable[bytes], name: str) -> Bytes:
    rest = iter(pieces)
    first = next(rest, b"")
    while len(first) < len(ZSTD) and (more := next(rest, b"")):
        first += more
    _refuse(first, name)
    encoding = _wide(first)
    if encoding is None:
        return held(_chain(first, rest))
    return held(_decoded(_chain(first, rest), encoding))


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _wide(head: bytes) -> str | None:
    return next((encoding for mark, encoding in _WIDE if head.startswith(mark)), None)


def _refuse(head: bytes, name: str) -> None:
    for start, message in _REFUSED:
        if head.startswith(start):
            raise DataFormatError(message, file=name)


def _decoded(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """UTF-8 of another encoding; what isn't a character becomes bytes that aren't UTF-8, and is reported by line."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="surrogatepass")
    for piece in pieces:
        try:
            yield decoder.decode(piece).encode(errors="surrogatepass")
        except UnicodeDecodeError:  # a number beyond Unicode, in UTF-32 only
            yield b"\xff"
            return
    state, _ = decoder.getstate()
    if state:  # the file ends in the middle of a character
        yield b"\xff"


def _bounded(pieces: Iterator[bytes], compressed: int, name: str) -> Iterator[bytes]:
    limit = min(MAX_BYTES, max(_CHUNK, compressed * _MAX_RATIO))
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise DataFormatError(
                f"grows to more than {limit:,} bytes when decompressed; decompress it yourself if you trust it",
                file=name,
            )
        yield piece


def _gunzip(file: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        with gzip.open(file) as unpacked:
            while piece := unpacked.read(_CHUNK):
                yield piece
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataFormatError(f"the gzip data is damaged: {error}", file=name) from error


def _unzstd(file: BinaryIO, name: str) -> Iterator[bytes]:
    zstandard = require("zstandard", extra="parquet", feature="reading files compressed with Zstandard")
    frame = None
    try:
        while data := file.read(_ZSTD_CHUNK):
            while data:
                if frame is None:
                    frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
                yield frame.decompress(data)
                data = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    except zstandard.ZstdError as error:
        raise DataFormatError(f"the Zstandard data is damaged: {error}", file=name) from error
    if frame is not None:
        raise DataFormatError("the Zstandard data is damaged: it ends too early", file=name)


def in_memory(data: Bytes) -> bytes:
    """All the bytes."""
    return data.read(0, len(data))
