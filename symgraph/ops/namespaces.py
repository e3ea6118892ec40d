"""``T.nnet`` and ``T.signal``: public functions under the names that Theano has.

A namespace lists names of public functions and holds further namespaces. Functions are
looked up when they are asked for, so that this file needs none of them.
"""

from typing import Any

from symgraph.core.public import PUBLIC
from symgraph.ops.abstract_convolution import CLASSES
from symgraph.ops.nnet import NNET
from symgraph.ops.normalization import NORMALIZATION


class Namespace:
    """Public functions, and further namespaces, as attributes.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> dir(T.signal.pool)
    ['pool_1d', 'pool_2d', 'pool_3d']
    """

    def __init__(self, title: str, names: tuple[str, ...], **inner: Any) -> None:
        self._title = title
        self._names = names
        self.__dict__.update(inner)
        self._inner = tuple(inner)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._names and name in PUBLIC:
            return PUBLIC[name]
        raise AttributeError(
            f"{self.__dict__.get('_title')} has no function {name!r}; it has "
            f"{', '.join(self.__dir__())}"
        )

    def __dir__(self) -> list[str]:
        found = [name for name in self.__dict__.get("_names", ()) if name in PUBLIC]
        return sorted({*found, *self.__dict__.get("_inner", ())})


POOL = ("pool_1d", "pool_2d", "pool_3d")
#: functions of ``theano.tensor.nnet.abstract_conv``
ABSTRACT = (
    "conv2d", "conv3d", "conv2d_grad_wrt_inputs", "conv2d_grad_wrt_weights",
    "conv3d_grad_wrt_inputs", "conv3d_grad_wrt_weights", "get_conv_output_shape",
)  # fmt: skip
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d", "conv2d_transpose")

#: functions of ``theano.tensor.extra_ops``
EXTRA = (
    "bincount", "broadcast_arrays", "broadcast_to", "compress", "cumprod", "cumsum", "diff",
    "fill_diagonal", "fill_diagonal_offset", "ravel_multi_index", "repeat",
    "searchsorted", "squeeze", "to_one_hot", "unique", "unravel_index",
)  # fmt: skip

extra_ops = Namespace("extra_ops", EXTRA)
signal = Namespace("signal", (), pool=Namespace("signal.pool", POOL))
nnet = Namespace(
    "nnet",
    NNET + CONVOLUTIONS + NORMALIZATION,
    bn=Namespace("nnet.bn", NORMALIZATION),
    abstract_conv=Namespace(
        "nnet.abstract_conv", ABSTRACT, **{c.__name__: c for c in CLASSES}
    ),
    conv=Namespace("nnet.conv", ("conv2d",)),
)
