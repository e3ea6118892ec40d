"""How many units of work make a block for a thread.

In: how many units a step has and how much work they are, for the sizes of a call. Out:
the size of a block, or SERIAL. Which kernels have units is the device's affair; the
runtime computes block sizes when it binds a call's shapes.
"""

#: block size that says: one call, in the caller
SERIAL = 2**62
#: picoseconds of work below which a step stays in the caller
LEAST = 40_000_000
#: picoseconds of work that a block should have at least
BLOCK = 8_000_000
#: blocks of a step at most
MOST_BLOCKS = 256
#: bytes of scratch memory that each thread has; pages that nobody touches cost nothing
SCRATCH_BYTES = 32 * 2**20


def block_size(units: int, work: int, align: int = 1, scratch: int = 0) -> int:
    """Units in a block: it follows from how much there is to do, not from who does it.

    Parameters
    ----------
    units : what is cut into blocks: iterations of a loop
    work : picoseconds that all of them take on one core
    align : blocks begin at multiples of it
    scratch : bytes of scratch memory that a thread needs

    Returns
    -------
    units in a block, or SERIAL where sharing would cost more than it gives

    Examples
    --------
    >>> block_size(units=4096, work=4096 * 1_000_000)
    16
    >>> block_size(units=64, work=1000) == SERIAL
    True
    """
    if work < LEAST or scratch > SCRATCH_BYTES:
        return SERIAL
    blocks = min(work // BLOCK, MOST_BLOCKS)
    block = -(-units // blocks)
    block = -(-block // align) * align
    return block if block < units else SERIAL
