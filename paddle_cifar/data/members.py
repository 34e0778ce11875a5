"""The outer layers of a CIFAR archive, read without trusting them: gzip and tar."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from paddle_cifar.data.unpickle import Refused, load_dictionary

MEMBER_LIMIT = 512 << 20  # bytes; the published train member has 148 MiB
STREAM_LIMIT = 1 << 30  # bytes after decompression, so that a gzip bomb ends early
MEMBERS_LIMIT = 1000  # the published archive has 4
_CHUNK = 1 << 20
_GZIP = 31  # zlib's code for "a gzip header, a 32 KiB window and a checksum"


class GunzipReader:
    """Reads a gzip file forwards and hashes the compressed bytes in passing, on a second thread."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(_GZIP)
        self._input = b""
        self._produced = 0
        self._sha256 = hashlib.sha256()
        self._hasher = ThreadPoolExecutor(1)  # zlib and hashlib release the GIL, so the two overlap

    def read(self, size: int) -> bytes:
        """1 to ``size`` decompressed bytes, or b"" at the end. Raises OSError, zlib.error, Refused."""
        block = b""
        while not block:
            if not self._input:
                self._input = self._file.read(_CHUNK)
                self._hasher.submit(self._sha256.update, self._input)
            at_end = not self._input
            if self._inflate.eof:
                if at_end:
                    return b""
                self._inflate = zlib.decompressobj(_GZIP)  # gzip files may be joined end to end
            block = self._inflate.decompress(self._input, size)
            self._input = self._inflate.unconsumed_tail or self._inflate.unused_data
            if at_end and not block and not self._inflate.eof:
                raise OSError("the file ends too early")
        self._produced += len(block)
        if self._produced > STREAM_LIMIT:
            raise Refused(f"refused: it unpacks to more than {STREAM_LIMIT >> 20} MiB")
        return block

    def finish(self) -> str:
        """Read to the end, so that checksum and hash cover every byte; returns the file's SHA-256."""
        while self.read(_CHUNK):
            pass
        self.close()
        return self._sha256.hexdigest()

    def close(self) -> None:
        """Stop the hashing thread."""
        self._hasher.shutdown()


def unpickled_members(
    stream: GunzipReader, wanted: Collection[str], ignore_damage: Collection[str] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name, contents) of each tar member whose exact name is in ``wanted``; skip all others.

    A damaged pickle raises unless its name is in ``ignore_damage``. A link, a device, a
    duplicate, an over-long member or a pickle that names foreign code is always ``Refused``.
    """
    seen = set()
    with tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 16) as tar:
        for count, member in enumerate(tar):
            if count == MEMBERS_LIMIT:
                raise Refused(f"refused: it has more than {MEMBERS_LIMIT} members")
            name = member.name.removeprefix("./")
            if name not in wanted:
                continue
            if name in seen:
                raise Refused(f"refused: the member {name} is there twice")
            seen.add(name)
            file = tar.extractfile(member) if member.isreg() and not member.issparse() else None
            if file is None:
                raise Refused(f"refused: the member {name} is not a regular file")
            if not 0 <= member.size <= MEMBER_LIMIT:
                raise Refused(f"refused: the member {name} is longer than {MEMBER_LIMIT >> 20} MiB")
            try:
                contents = load_dictionary(file)
            except (Refused, OSError, zlib.error):  # the last two: the file itself is damaged
                raise
            except Exception:  # the unpickler raises a dozen kinds on damaged bytes
                if name not in ignore_damage:
                    raise
                contents = {}
            yield name, contents
