"""Object code on disk, so that a second start compiles nothing.

In: a key (a digest of everything the code depends on, made by the caller), the
program as JSON-able metadata, and object bytes. Out: the same two, or None.

One entry is one file, ``<key>.sgo``:

    8 bytes   magic
    4 bytes   format version          (integers are little-endian)
    4 bytes   length of the metadata
    8 bytes   length of the object
    32 bytes  BLAKE2b of the key, the 24 bytes above, metadata and object
    metadata  JSON, UTF-8
    object

What is read here is executed, so the folder is ours, no symlink, and nobody else may
write there (it is made with mode 0700; one that exists may be readable), and a file
counts only if it is a plain file, ours, writable by nobody else, and its digest
fits. Anything else is treated as absent: a damaged cache costs a compilation, never an
error. Writes are atomic, so many processes may share a folder. What the key must
contain is left to the caller.
"""

import contextlib
import functools
import os
import re
import stat
import struct
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from symgraph.config import config
from symgraph.core.digest import digest
from symgraph.core.record import Record
from symgraph.errors import ArgumentError, CacheWarning

VARIABLE = "SYMGRAPH_CACHE_DIR"
LIMIT = 512 * 2**20  # bytes on disk
MEMORY_LIMIT = 64 * 2**20  # bytes kept in this process

_MAGIC = b"\x93SGOBJ\r\n"
_FORMAT = 1
_HEADER = struct.Struct("<8sIIQ")
_DIGEST = 32
_SUFFIX = ".sgo"
_KEY = re.compile(r"[0-9a-f]{32,128}")
_LARGEST = 2**30  # bytes; a larger file is not ours
_RECENT = 600  # seconds for which an entry is not marked as used again
_STALE = 3600  # seconds after which a temporary file is left over


class CacheEntry(Record):
    """One file of the cache: its key, size in bytes, and time of last use."""

    key: str
    size: int
    used: float


class Cache:
    """A folder of object code, with the entries used last kept in memory.

    Parameters
    ----------
    folder : where; None means `default_folder()`
    limit : bytes on disk, beyond which the entries unused longest are removed
    disk : False keeps entries in memory only

    Examples
    --------
    >>> cache = Cache(disk=False)
    >>> cache.put("0" * 64, {"kernels": 1}, b"code")
    True
    >>> cache.get("0" * 64)
    ({'kernels': 1}, b'code')
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        limit: int = LIMIT,
        disk: bool = True,
    ) -> None:
        named = os.path.expanduser(default_folder() if folder is None else folder)
        #: "~" stays where this process' user has no home
        self._homeless = os.fspath(named).startswith("~")
        self.folder = named if self._homeless else os.path.abspath(named)
        self.limit = limit
        self._reason = "" if disk else "kept in memory only"
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._memory_size = 0
        self._unchecked = limit  # bytes written since the last look at the folder
        self._lock = threading.Lock()
        self._counts = {"hits": 0, "misses": 0, "rejected": 0}

    @property
    def enabled(self) -> bool:
        """Whether the folder is used; it is not once it was found unsafe."""
        return not self._reason

    def get(self, key: str) -> tuple[dict[str, Any], bytes] | None:
        """Return (metadata, object bytes) of a key, or None."""
        _check_key(key)
        with self._lock:
            blob = self._memory.get(key)
            if blob is not None:
                self._memory.move_to_end(key)
        if blob is None:
            blob = self._read(key)
            if blob is not None:
                self._remember(key, blob)
        found = None if blob is None else _parts(blob)
        self._counts["misses" if found is None else "hits"] += 1
        return found

    def put(self, key: str, metadata: dict[str, Any], code: bytes) -> bool:
        """Keep an entry; return whether it is on disk (or in memory, without one).

        A full disk or a read-only folder is a CacheWarning, once.
        """
        _check_key(key)
        blob = _blob(key, metadata, code)
        self._remember(key, blob)
        if not self.enabled:
            return self._reason == "kept in memory only"
        try:
            with self._open_folder(create=True) as folder:
                if folder is None:
                    return False
                self._write(folder, key, blob)
                self._unchecked += len(blob)
                if self._unchecked * 16 >= self.limit:
                    self._unchecked = 0
                    self._shrink(folder)
        except FileNotFoundError:
            return False  # another process has cleared the cache meanwhile
        except OSError as error:
            self._disable(str(error))
            return False
        return True

    def entries(self) -> list[CacheEntry]:
        """Return the entries on disk, the one used last first."""
        with self._open_folder() as folder:
            found = [] if folder is None else list(_scan(folder))
        found = [entry for entry in found if _KEY.fullmatch(entry.key)]
        return sorted(found, key=lambda entry: -entry.used)

    def clear(self) -> int:
        """Remove all entries, on disk and in memory; return how many files went."""
        with self._lock:
            self._memory.clear()
            self._memory_size = 0
        count = 0
        with self._open_folder() as folder:
            for entry in [] if folder is None else list(_scan(folder, temporary=True)):
                count += _remove(folder, entry.key)
        return count

    def info(self) -> dict[str, Any]:
        """Return what a user wants to know, as plain values."""
        entries = self.entries()
        return {
            "folder": self.folder,
            "enabled": self.enabled,
            "reason": self._reason,
            "entries": len(entries),
            "bytes": sum(entry.size for entry in entries),
            "limit": self.limit,
            **self._counts,
        }

    # --- memory ----------------------------------------------------------------

    def _remember(self, key: str, blob: bytes) -> None:
        with self._lock:
            self._memory_size += len(blob) - len(self._memory.pop(key, b""))
            self._memory[key] = blob
            while self._memory_size > MEMORY_LIMIT and len(self._memory) > 1:
                _, dropped = self._memory.popitem(last=False)
                self._memory_size -= len(dropped)

    # --- disk ------------------------------------------------------------------

    def _disable(self, reason: str) -> None:
        """Stop using the folder, and say so once."""
        with self._lock:
            first, self._reason = not self._reason, self._reason or reason
        if first:
            warnings.warn(
                f"compiled code is not kept on disk: {self.folder}: {reason}. "
                f"Set {VARIABLE} to a folder of your own, or "
                "SYMGRAPH_FLAGS=cache=false to silence this",
                CacheWarning,
                stacklevel=4,
            )

    @contextlib.contextmanager
    def _open_folder(self, create: bool = False) -> Iterator[int | None]:
        """Give a descriptor of the folder once it has proved safe, else None.

        Files are opened relative to it, so the folder cannot be exchanged between
        the check and the use.
        """
        descriptor = self._safe_folder(create) if self.enabled else None
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _safe_folder(self, create: bool) -> int | None:
        if os.open not in os.supports_dir_fd or not hasattr(os, "O_NOFOLLOW"):
            self._disable("this system cannot open files safely")
            return None
        if self._homeless:
            self._disable("this user has no home folder")
            return None
        try:
            if create and not os.path.lexists(self.folder):
                os.makedirs(self.folder, mode=0o700, exist_ok=True)
            if stat.S_ISLNK(os.lstat(self.folder).st_mode):
                self._disable("the folder is a symbolic link")
                return None
            descriptor = os.open(
                self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            )
        except FileNotFoundError:
            return None  # nothing was kept yet
        except OSError as error:
            self._disable(error.strerror or str(error))
            return None
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            reason = f"the folder belongs to user {found.st_uid}"
        elif found.st_mode & 0o022:
            reason = f"others may write there (mode {stat.S_IMODE(found.st_mode):o})"
        else:
            return descriptor
        os.close(descriptor)
        self._disable(reason)
        return None

    def _read(self, key: str) -> bytes | None:
        with self._open_folder() as folder:
            if folder is None:
                return None
            blob, ours = None, False
            try:
                # O_NONBLOCK: a pipe of that name must not make us wait
                descriptor = os.open(
                    key + _SUFFIX,
                    os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                    dir_fd=folder,
                )
            except FileNotFoundError:
                return None
            except OSError:  # a symbolic link, or not readable
                self._counts["rejected"] += 1
                return None
            try:
                found = os.fstat(descriptor)
                ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
                if ours and not found.st_mode & 0o022 and found.st_size <= _LARGEST:
                    blob = _read_all(descriptor, found.st_size)
                    if found.st_mtime < time.time() - _RECENT:
                        os.utime(descriptor)
            except OSError:
                blob = None
            finally:
                os.close(descriptor)
            if blob is not None and _is_valid(key, blob):
                return blob
            self._counts["rejected"] += 1
            if ours:
                _remove(folder, key + _SUFFIX)
            return None

    def _write(self, folder: int, key: str, blob: bytes) -> None:
        temporary = f".{key}.{os.urandom(8).hex()}.tmp"
        descriptor = os.open(
            temporary,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
            0o600,
            dir_fd=folder,
        )
        try:
            with open(descriptor, "wb", buffering=0) as file:
                rest = memoryview(blob)
                while rest:
                    rest = rest[file.write(rest) :]
            os.replace(temporary, key + _SUFFIX, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            _remove(folder, temporary)
            raise

    def _shrink(self, folder: int) -> None:
        """Remove what was unused longest until the folder is below its limit."""
        now = time.time()
        entries = []
        for entry in _scan(folder, temporary=True):
            if entry.key.endswith(".tmp"):
                if entry.used < now - _STALE:
                    _remove(folder, entry.key)
            else:
                entries.append(entry)
        total = sum(entry.size for entry in entries)
        if total <= self.limit:
            return
        for entry in sorted(entries, key=lambda entry: entry.used):
            _remove(folder, entry.key)
            total -= entry.size
            if total <= self.limit * 7 // 8:
                break


def default_folder() -> str:
    """Return SYMGRAPH_CACHE_DIR, XDG_CACHE_HOME/symgraph or ~/.cache/symgraph."""
    wish = os.environ.get(VARIABLE)
    if wish:
        return wish
    # The XDG specification: a relative path there is to be ignored.
    base = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else "~/.cache", "symgraph")


def default_cache() -> Cache:
    """Return the cache that the settings and the environment name at the moment."""
    return _cache_at(default_folder(), config.cache)


# --- helpers ---------------------------------------------------------------------


@functools.lru_cache(maxsize=16)
def _cache_at(folder: str, disk: bool) -> Cache:
    return Cache(folder, disk=disk)


def _check_key(key: str) -> None:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ArgumentError(
            f"a cache key is 32 to 128 lower-case hexadecimal digits, got {key!r}"
        )


def _digest(key: str, header: bytes, content: bytes | memoryview) -> bytes:
    made = digest(key.encode())
    made.update(header)
    made.update(content)
    return made.digest()


def _blob(key: str, metadata: dict[str, Any], code: bytes) -> bytes:
    import json  # late: a process that finds nothing to read does without

    text = json.dumps(metadata, separators=(",", ":")).encode()
    header = _HEADER.pack(_MAGIC, _FORMAT, len(text), len(code))
    content = text + code
    return header + _digest(key, header, content) + content


def _is_valid(key: str, blob: bytes) -> bool:
    start = _HEADER.size + _DIGEST
    if len(blob) < start:
        return False
    magic, version, text, code = _HEADER.unpack_from(blob)
    if magic != _MAGIC or version != _FORMAT or len(blob) != start + text + code:
        return False
    found = _digest(key, blob[: _HEADER.size], memoryview(blob)[start:])
    return found == blob[_HEADER.size : start]


def _parts(blob: bytes) -> tuple[dict[str, Any], bytes]:
    _, _, text, _ = _HEADER.unpack_from(blob)
    start = _HEADER.size + _DIGEST
    import json

    return json.loads(blob[start : start + text]), blob[start + text :]


def _read_all(descriptor: int, size: int) -> bytes:
    """Read to the end; one byte more than expected shows that a file grew."""
    parts, left = [], size + 1
    while left > 0 and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _scan(folder: int, temporary: bool = False) -> Iterator[CacheEntry]:
    """Our files in the folder; with ``temporary``, whole names and .tmp files too."""
    with os.scandir(folder) as items:
        for item in items:
            base, dot, suffix = item.name.rpartition(".")
            kept = f"{dot}{suffix}" == _SUFFIX and _KEY.fullmatch(base) is not None
            left_over = item.name.startswith(".") and suffix == "tmp"
            if not (kept or (temporary and left_over)):
                continue
            try:
                found = item.stat(follow_symlinks=False)
            except OSError:
                continue  # removed by another process meanwhile
            if stat.S_ISREG(found.st_mode):
                name = item.name if temporary else base
                yield CacheEntry(name, found.st_size, found.st_mtime)


def _remove(folder: int | None, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return False
    return True
