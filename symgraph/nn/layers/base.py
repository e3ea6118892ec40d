"""Layer and MergeLayer: what every layer is made of.

A layer knows what feeds it, its parameters with their tags, the shape of its output
(`get_output_shape_for`) and the expression of its output (`get_output_for`). Layers
hold no values of inputs and no graph: the same stack can be applied to any number of
inputs with `symgraph.nn.layers.get_output`. To write a layer, derive from `Layer` (or
`MergeLayer` for several inputs) and define these two methods.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from symgraph.core.copies import InOrder, is_given
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn import nonlinearities
from symgraph.nn.nonlinearities import identity
from symgraph.nn.utils import collect_shared_vars, create_param

#: extents, None where unknown
LayerShape = tuple[int | None, ...]
#: what a file keeps of a layer; see `Layer.saved`
Saved = tuple[str, ...] | None
#: name of a class → the class, for all layers that say how they are saved
SAVED: dict[str, type["Layer"]] = {}


def checked_shape(shape: Any, owner: Any) -> LayerShape:
    """Return a shape as a tuple; extents must be positive ints or None."""
    try:
        made = tuple(shape)
    except TypeError:
        raise ArgumentError(
            f"{owner!r}: shape={shape!r} is no tuple; pass one extent for each axis, None "
            f"for the batch: (None, {shape!r})"
        ) from None
    for extent in made:
        if extent is None:
            continue
        if isinstance(extent, Variable | bool | str) or int(extent) != extent:
            raise ArgumentError(
                f"{owner!r}: shape {made} holds {extent!r}; use ints, and None for "
                "extents that are not known"
            )
        if extent <= 0:
            raise ShapeError(
                f"{owner!r}: shape {made} is not possible, extents must be positive "
                "(None where unknown)"
            )
    return tuple(None if e is None else int(e) for e in made)


class Layer:
    """A layer with one input.

    Parameters
    ----------
    incoming : Layer, or shape (a tuple) for a layer that nothing feeds yet
    name : str, optional
        goes in front of the names of the parameters: "hidden.W".

    Attributes
    ----------
    input_layer : Layer or None
    input_shape, output_shape : tuples of ints, None where an extent is unknown
    params : dictionary parameter → set of tags
    get_output_kwargs : list of str
        keywords that `get_output_for` understands beside those of its signature.
    saved : tuple of str, or None
        arguments of the constructor that a model file keeps, each also an attribute; a
        class with a constructor of its own says it anew. None: a file cannot hold it.

    Examples
    --------
    >>> import numpy as np
    >>> from symgraph.nn import init
    >>> from symgraph.nn.layers import InputLayer, Layer, get_output
    >>> class Scaled(Layer):
    ...     saved = ("factor",)
    ...     def __init__(self, incoming, factor=init.Constant(2), **kwargs):
    ...         super().__init__(incoming, **kwargs)
    ...         self.factor = self.add_param(factor, (), "factor")
    ...     def get_output_for(self, input, **kwargs):
    ...         return self.factor * input
    >>> layer = Scaled(InputLayer((None, 3)), name="double")
    >>> layer.output_shape, layer.get_params(trainable=True)
    ((None, 3), [double.factor])
    >>> get_output(layer, np.ones((1, 3))).eval()
    array([[2., 2., 2.]])
    """

    #: settings, parameters, functions with a name, networks inside the layer: what each
    #: is, its value says
    saved: ClassVar[Saved] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = (k for k in cls.__mro__ if {"saved", "__init__"} & vars(k).keys())
        if vars(next(own)).get("saved") is None:
            return
        if cls.__name__.startswith("_") and _home(cls) == _home(Layer):
            return  # what several layers share, no layer
        known = SAVED.get(cls.__name__)
        # a class that is defined again, in a notebook, takes the place of the first;
        # the package's own layers keep theirs
        if known is None or _home(known) != _home(Layer) or _home(cls) == _home(Layer):
            SAVED[cls.__name__] = cls

    @property
    def roles(self) -> list[str | None] | None:
        """Which arguments of the constructor the layers below are, in their order.

        None: together they are its first argument. A role that is None belongs to a
        layer that follows from the others.
        """
        return None

    @classmethod
    def remade(cls, *incoming: Any, **arguments: Any) -> "Layer":
        """Make a layer from what was saved; here, by calling the constructor."""
        return cls(*incoming, **arguments)

    def __init__(self, incoming: Any, name: str | None = None) -> None:
        self.name = name
        self.params: dict[Variable, set[str]] = {}
        self.get_output_kwargs: list[str] = []
        self.input_layer, self.input_shape = _source(incoming, self)

    @property
    def output_shape(self) -> LayerShape:
        """Shape of the output for the input shape the layer was made with."""
        return _concrete(self, self.get_output_shape_for(self.input_shape))

    def get_params(self, unwrap_shared: bool = True, **tags: bool) -> list[Variable]:
        """Return the parameters with, and without, certain tags.

        Parameters
        ----------
        unwrap_shared : bool
            True gives the shared variables of a parameter that is an expression, in
            place of the expression.
        tags : name=True for parameters that have the tag, name=False for those without

        Examples
        --------
        >>> from symgraph.nn.layers import DenseLayer, InputLayer
        >>> layer = DenseLayer(InputLayer((None, 3)), 2)
        >>> layer.get_params(), layer.get_params(regularizable=True)
        ([W, b], [W])
        """
        wanted = {tag for tag, value in tags.items() if value}
        refused = {tag for tag, value in tags.items() if not value}
        found = [
            param
            for param, own in self.params.items()
            if wanted <= own and not refused & own
        ]
        return list(collect_shared_vars(found)) if unwrap_shared else found

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """Return the shape of the output for a shape of the input; here, the same."""
        return input_shape

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """Return the expression of the output for an expression of the input.

        Parameters
        ----------
        kwargs : what was given to `get_output`, to be ignored where not understood
        """
        raise NotImplementedError(f"{type(self).__name__} has no get_output_for")

    def add_param(
        self, spec: Any, shape: Sequence[Any], name: str | None = None, **tags: bool
    ) -> Variable:
        """Register a parameter, made of what the user gave, and return it.

        Parameters
        ----------
        spec, shape : see `symgraph.nn.utils.create_param`
        name : the name of the layer goes in front
        tags : name=True sets a tag; `trainable`, `regularizable` are set unless False
        """
        if name is not None and self.name is not None:
            name = f"{self.name}.{name}"
        param = create_param(spec, shape, name)
        every = {"trainable": True, "regularizable": True, **tags}
        self.params[param] = {tag for tag, value in every.items() if value}
        return param

    def __reduce_ex__(self, protocol: Any) -> Any:
        first = () if is_given(self) else InOrder(_feeding(self), _feeding)
        return _made_again, (first, type(self)), self.__dict__

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind}>" if self.name is None else f"<{kind} {self.name!r}>"


class MergeLayer(Layer):
    """A layer with several inputs.

    Its methods take lists: `get_output_shape_for` of shapes, `get_output_for` of
    expressions.

    Parameters
    ----------
    incomings : list of Layers and shapes
    name : see `Layer`

    Attributes
    ----------
    input_layers, input_shapes : lists, in the order of `incomings`
    """

    def __init__(self, incomings: Sequence[Any], name: str | None = None) -> None:
        self.name = name
        self.params = {}
        self.get_output_kwargs = []
        if isinstance(incomings, Layer):
            raise ArgumentError(
                f"{self!r}: takes a list of layers, not the single {incomings!r}"
            )
        sources = [_source(incoming, self) for incoming in incomings]
        if not sources:
            raise ArgumentError(f"{self!r}: the list of incoming layers is empty")
        self.input_layers = [layer for layer, _ in sources]
        self.input_shapes = [shape for _, shape in sources]

    @property
    def output_shape(self) -> LayerShape:
        """Shape of the output for the input shapes the layer was made with."""
        return _concrete(self, self.get_output_shape_for(self.input_shapes))

    def get_output_shape_for(self, input_shapes: Any) -> LayerShape:
        """Return the shape of the output for shapes of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} has no get_output_shape_for")

    def get_output_for(  # type: ignore[override]
        self, inputs: Any, **kwargs: Any
    ) -> Variable:
        """Return the expression of the output for expressions of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} has no get_output_for")


def nonlinearity_of(given: Any, owner: Any) -> Any:
    """The function that a layer applies to its sums; None stands for the identity."""
    if given is None:
        return identity
    if not callable(given):
        named = isinstance(given, str) and callable(
            getattr(nonlinearities, given, None)
        )
        name = given if named else "rectify"
        raise ArgumentError(
            f"{owner!r}: nonlinearity={given!r} is a {type(given).__name__}, expected a "
            f"function of an expression\nPass symgraph.nn.nonlinearities.{name}, or None "
            "for the identity."
        )
    return given


def _home(kind: type) -> str:
    """The package that a class comes from."""
    return kind.__module__.partition(".")[0]


def _feeding(layer: Layer) -> list[Layer]:
    """The layers that feed a layer."""
    fed = layer.__dict__
    found = [fed.get("input_layer"), *fed.get("input_layers", ())]
    return [below for below in found if isinstance(below, Layer)]


def _made_again(order: Any, kind: type[Layer]) -> Layer:
    """A copied layer, before its attributes are set."""
    return kind.__new__(kind)


def _source(incoming: Any, owner: Layer) -> tuple[Any, LayerShape]:
    """The layer that feeds `owner`, if there is one, and the shape that comes in."""
    if isinstance(incoming, tuple):
        return None, checked_shape(incoming, owner)
    if not hasattr(incoming, "output_shape"):
        raise ArgumentError(
            f"{owner!r}: incoming is a {type(incoming).__name__}; pass a layer, or a "
            "tuple with the shape of the input"
        )
    return incoming, checked_shape(incoming.output_shape, owner)


def _concrete(layer: Layer, shape: Any) -> LayerShape:
    if any(isinstance(extent, Variable) for extent in shape):
        raise ShapeError(
            f"{layer!r}: get_output_shape_for returned the symbolic shape {shape}; "
            "extents must be ints, or None where they are not known"
        )
    return tuple(shape)
