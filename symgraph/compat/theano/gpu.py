"""``theano.gpuarray`` and ``theano.sandbox.cuda`` of a machine without a GPU.

Programs ask these before they use a GPU; they are told that there is none, and why.
"""

from typing import Any, NoReturn

from symgraph.errors import NotSupportedError

__all__ = [
    "cuda_available", "cuda_enabled", "dnn_available", "dnn_present", "get_context",
    "pygpu_activated", "use", "version",
]  # fmt: skip

WHY = "symgraph computes on the CPU here"
pygpu_activated = cuda_available = cuda_enabled = False


class Absent:
    """A question whose answer is no; `msg` says why."""

    msg = WHY

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        return False


dnn_present = dnn_available = Absent()
dnn_present.avail = False  # type: ignore[attr-defined]


def use(device: str, *args: Any, **kwargs: Any) -> None:
    """Accept ``"cpu"``; refuse every other device."""
    if device != "cpu":
        raise NotSupportedError(f"theano.gpuarray.use({device!r}): {WHY}")


def get_context(name: Any = None) -> NoReturn:
    """There is no context of a GPU: NotSupportedError."""
    raise NotSupportedError(f"theano.gpuarray.get_context({name!r}): {WHY}")


def version(raises: bool = True) -> int:
    """Version of cuDNN: -1 where it is absent, or NotSupportedError."""
    if raises:
        raise NotSupportedError(f"cuDNN has no version: {WHY}")
    return -1
