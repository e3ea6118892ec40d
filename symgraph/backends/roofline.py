"""The least time that a step can take on a device: its roofline, as data.

The roofline of Williams, Waterman and Patterson (2009, doi:10.1145/1498765.1498785): a
step with F operations and B bytes takes at least max(F / flops, B / bandwidth). A device
measures both (`Timed.peak`); `f.profile()` compares each step with them.
"""

from symgraph.core.record import Record


class Peak(Record):
    """The roofline for one dtype and number of threads.

    Attributes
    ----------
    flops : floating point operations per second, a multiply-add being two
    bandwidths : (bytes of a working set, bytes per second)
    """

    dtype: str
    threads: int
    flops: float
    bandwidths: tuple[tuple[int, float], ...]

    def bandwidth(self, size: float) -> float:
        """Bytes per second for a step that touches `size` bytes."""
        for fits, rate in self.bandwidths:
            if size <= fits:
                return rate
        return self.bandwidths[-1][1]

    def seconds(self, flops: float, size: float) -> float:
        """The least time for so many operations and bytes: the roofline.

        Examples
        --------
        >>> peak = Peak("float32", 1, 1e11, ((2**20, 1e11), (2**25, 1e10)))
        >>> peak.seconds(1e6, 1e5), peak.seconds(1e6, 1e8)
        (1e-05, 0.01)
        """
        return max(flops / self.flops, size / self.bandwidth(size))

    def __str__(self) -> str:
        rates = ", ".join(
            f"{rate / 1e9:.0f} GB/s in {size / 2**10:.0f} KiB"
            for size, rate in self.bandwidths
        )
        return (
            f"{self.dtype}, {self.threads} thread(s): {self.flops / 1e9:.0f} GFLOP/s; "
            f"{rates}"
        )
