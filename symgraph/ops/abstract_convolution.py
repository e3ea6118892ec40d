"""AbstractConv2d and its kin: convolutions whose arguments come in two steps.

Theano's code for transposed and dilated convolutions makes an operation of shapes and
strides first, and calls it with tensors and the extents of the result. These classes do
the same with the functions of ops/conv_api.py.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from symgraph.core.node import Variable
from symgraph.ops import conv_api


class _Abstract:
    """The arguments of the first step."""

    rank: ClassVar[int] = 2

    def __init__(
        self,
        imshp: Any = None,
        kshp: Any = None,
        border_mode: Any = "valid",
        subsample: Any = 1,
        filter_flip: bool = True,
        filter_dilation: Any = 1,
        num_groups: int = 1,
        unshared: bool = False,
    ) -> None:
        self.imshp, self.kshp = imshp, kshp
        self.options = {
            "border_mode": border_mode, "subsample": subsample,
            "filter_flip": filter_flip, "filter_dilation": filter_dilation,
            "num_groups": num_groups, "unshared": unshared,
        }  # fmt: skip

    def _shape(self, known: Any, spatial: Any) -> tuple[Any, ...]:
        """The promised shape, with these spatial extents."""
        outer = (None, None) if known is None else tuple(known)[:2]
        return (*outer, *(spatial[axis] for axis in range(self.rank)))


class AbstractConv2d(_Abstract):
    """`conv2d` in two steps.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> op = T.nnet.abstract_conv.AbstractConv2d(kshp=(8, 3, 5, 5), border_mode="half")
    >>> op(T.ftensor4("x", shape=(2, 3, 9, 9)), T.ftensor4("w")).type
    float32 (2, 8, 9, 9)
    """

    function: ClassVar[Callable[..., Variable]] = staticmethod(conv_api.conv2d)

    def __call__(self, img: Any, kern: Any) -> Variable:
        """Apply it to input and filters."""
        return self.function(img, kern, self.imshp, self.kshp, **self.options)


class AbstractConv2d_gradInputs(_Abstract):  # noqa: N801
    """`conv2d_grad_wrt_inputs` in two steps; `shape` has the spatial extents.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> op = T.nnet.abstract_conv.AbstractConv2d_gradInputs(
    ...     imshp=(None, 3, None, None), kshp=(8, 3, 5, 5), subsample=(2, 2))
    >>> op(T.ftensor4("w"), T.ftensor4("g"), (33, 33)).type
    float32 (None, 3, 33, 33)
    """

    function: ClassVar[Callable[..., Variable]] = staticmethod(
        conv_api.conv2d_grad_wrt_inputs
    )

    def __call__(self, kern: Any, topgrad: Any, shape: Any) -> Variable:
        """Apply it to filters and the gradient of the result."""
        wanted = self._shape(self.imshp, shape)
        return self.function(topgrad, kern, wanted, self.kshp, **self.options)


class AbstractConv2d_gradWeights(_Abstract):  # noqa: N801
    """`conv2d_grad_wrt_weights` in two steps; `shape` has the extents of the window."""

    function: ClassVar[Callable[..., Variable]] = staticmethod(
        conv_api.conv2d_grad_wrt_weights
    )

    def __call__(self, img: Any, topgrad: Any, shape: Any) -> Variable:
        """Apply it to the input and the gradient of the result."""
        wanted = self._shape(self.kshp, shape)
        return self.function(img, topgrad, wanted, self.imshp, **self.options)


class AbstractConv3d(AbstractConv2d):
    """`conv3d` in two steps."""

    rank = 3
    function = staticmethod(conv_api.conv3d)


class AbstractConv3d_gradInputs(AbstractConv2d_gradInputs):  # noqa: N801
    """`conv3d_grad_wrt_inputs` in two steps."""

    rank = 3
    function = staticmethod(conv_api.conv3d_grad_wrt_inputs)


class AbstractConv3d_gradWeights(AbstractConv2d_gradWeights):  # noqa: N801
    """`conv3d_grad_wrt_weights` in two steps."""

    rank = 3
    function = staticmethod(conv_api.conv3d_grad_wrt_weights)


CLASSES = (
    AbstractConv2d, AbstractConv2d_gradInputs, AbstractConv2d_gradWeights,
    AbstractConv3d, AbstractConv3d_gradInputs, AbstractConv3d_gradWeights,
)  # fmt: skip
