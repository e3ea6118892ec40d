"""Random streams under Theano's names and with its order of arguments.

The numbers are symgraph's own: the same for the same seed everywhere, but not Theano's.
"""

from typing import Any

from symgraph.core.node import Variable
from symgraph.core.shared import SharedVariable
from symgraph.errors import NotSupportedError
from symgraph.ops import random

__all__ = ["MRG_RandomStreams", "RandomStateSharedVariable", "RandomStreams"]


class RandomStateSharedVariable(SharedVariable):
    """What holds NumPy's random state in Theano. Here nothing is one.

    Programs ask ``isinstance(v, RandomStateSharedVariable)`` to leave out the state of
    streams; symgraph's streams count in ordinary shared variables.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotSupportedError(
            "RandomStateSharedVariable: a random state cannot be shared; use RandomStreams"
        )


class MRG_RandomStreams(random.MRG_RandomStreams):  # noqa: N801 - the name is Theano's
    """``theano.sandbox.rng_mrg.MRG_RandomStreams``."""

    def __init__(self, seed: Any = 12345, use_cuda: Any = None) -> None:
        if use_cuda:
            raise NotSupportedError("MRG_RandomStreams: there is no GPU to use")
        super().__init__(seed)

    def set_rstate(self, seed: Any) -> None:
        """Start all streams again with this seed."""
        self.seed(seed)

    def choice(
        self,
        size: Any = 1,
        a: Any = None,
        replace: bool = True,
        p: Any = None,
        ndim: int | None = None,
        dtype: Any = "int64",
        nstreams: int | None = None,
        **kwargs: Any,
    ) -> Variable:
        """Elements of `a`, drawn at random; see `RandomStreams.choice`."""
        return super().choice(size, a, replace, p, ndim, dtype, nstreams, **kwargs)


class RandomStreams(random.RandomStreams):
    """``theano.tensor.shared_randomstreams.RandomStreams``."""

    def __init__(self, seed: Any = None) -> None:
        super().__init__(seed)

    def multinomial(
        self,
        size: Any = None,
        n: int = 1,
        pvals: Any = (0.5, 0.5),
        ndim: int | None = None,
        dtype: Any = "int64",
        prob: Any = None,
    ) -> Variable:
        """One draw for each row of probabilities, as a row with a single 1."""
        return super().multinomial(
            size, n, pvals if prob is None else prob, ndim, dtype
        )
