"""Files from the network, kept in the user's cache folder and checked by SHA-256.

In: a name, addresses and a checksum.  Out: the path of a file whose content is right.
What the files hold is the business of `mnist.py` and `cifar10.py`.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from symgraph.core.cache import default_folder
from symgraph.errors import DataError

FOLDER_VARIABLE = "SYMGRAPH_DATA_DIR"
TIMEOUT_SECONDS = 30
_BLOCK = 1 << 20


def data_folder() -> Path:
    """Folder for downloaded data: $SYMGRAPH_DATA_DIR, or "data" in the user's cache.

    Raises
    ------
    DataError : this user has no home folder, and none is named
    """
    named = os.environ.get(FOLDER_VARIABLE)
    folder = os.path.expanduser(named or os.path.join(default_folder(), "data"))
    if folder.startswith("~"):
        raise DataError(
            f"{folder}: this user has no home folder; name one for downloaded data with "
            f"{FOLDER_VARIABLE}"
        )
    return Path(folder)


def fetch(
    name: str,
    addresses: Sequence[str],
    sha256: str,
    folder: str | Path,
    unpacked: bool = False,
    limit: int = 1 << 30,
) -> Path:
    """Return the path of a file, downloaded unless it is there and right.

    Parameters
    ----------
    name : of the file in the folder
    addresses : where it can be had, tried in order
    sha256 : hexadecimal digest of the content
    folder : made when missing
    unpacked : the digest is of what the gzip file holds, not of the file itself
    limit : most bytes that are read from an address

    Raises
    ------
    DataError : no address gives the file, or what comes has another digest
    """
    folder = Path(folder)
    path = folder / name
    if path.is_file() and _digest(path, unpacked) == sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    reasons = []
    for address in addresses:
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        part = Path(temporary)
        try:
            with os.fdopen(handle, "wb") as stream:
                _copy(address, stream.write, limit)
            found = _digest(part, unpacked)
            if found == sha256:
                part.replace(path)
                return path
            reasons.append(f"{address}: SHA-256 is {found}, not {sha256}")
        except (OSError, ValueError) as error:  # URLError is an OSError
            reason = getattr(error, "reason", None) or error
            reasons.append(f"{address}: {reason}")
        finally:
            part.unlink(missing_ok=True)
    raise DataError(
        f"{name} could not be downloaded ({'; '.join(reasons)}). Without a network, get "
        f"the file by other means, put it into a folder, and name that folder"
    )


def _copy(address: str, write: Callable[[bytes], object], limit: int) -> None:
    with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as source:
        left = limit
        while block := source.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise ValueError(f"more than {limit} bytes")
            write(block)


def _digest(path: Path, unpacked: bool) -> str:
    """SHA-256 of a file's content; "" for a damaged gzip file."""
    made = hashlib.sha256()
    try:
        with gzip.open(path) if unpacked else path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                made.update(block)
    except (OSError, EOFError, zlib.error):
        return ""
    return made.hexdigest()
