"""One cryptographic digest for keys and for objects on disk: BLAKE2b, 256 bits.

The interpreter's own `_blake2` is what `hashlib.blake2b` is; importing `hashlib` also
loads OpenSSL, which takes longer than the rest of this package's core.
"""

from typing import Any

try:
    from _blake2 import blake2b as _blake2b
except ImportError:  # an interpreter without the built-in module
    from hashlib import blake2b as _blake2b

SIZE = 32


def digest(data: bytes = b"") -> Any:
    """A digest object: ``update(bytes)``, ``digest()``, ``hexdigest()``."""
    return _blake2b(data, digest_size=SIZE)
