"""Small tools of the layers, under Lasagne's names: parameters, tuples, norms.

`create_param` turns whatever a user gives as a parameter (initialiser, array, number,
variable, expression, function) into a variable of a known shape. The rest serves the
other files of nn/.
"""

import inspect
import numbers
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import symgraph.tensor as T
from symgraph.config import config
from symgraph.core.node import Variable, listing
from symgraph.core.shared import SharedVariable, shared
from symgraph.core.traverse import leaves
from symgraph.errors import (
    ArgumentError,
    ConversionError,
    NotSupportedError,
    ShapeError,
)

int_types = (numbers.Integral, np.integer)


def floatX(arr: Any) -> np.ndarray:
    """Return `arr` as an array of dtype ``config.floatX``.

    Examples
    --------
    >>> floatX([1, 2]).dtype.name == config.floatX
    True
    """
    return np.asarray(arr, dtype=config.floatX)


def shared_empty(dim: int = 2, dtype: Any = None) -> SharedVariable:
    """Return a shared variable of `dim` axes that holds one 0, to be set later."""
    return shared(np.zeros((1,) * dim, dtype=dtype or config.floatX))


def as_theano_expression(input: Any) -> Variable:
    """Return a variable, number, array or list as a variable."""
    return T.as_tensor_variable(input)


def collect_shared_vars(expressions: Any) -> list[SharedVariable]:
    """Return the shared variables that an expression, or a list of them, depends on.

    Depth first, from left to right, each once.

    Examples
    --------
    >>> a, b = shared(1.0, name="a"), shared(2.0, name="b")
    >>> collect_shared_vars([b * a, a])
    [b, a]
    """
    roots = [expressions] if isinstance(expressions, Variable) else list(expressions)
    return [v for v in leaves(roots) if isinstance(v, SharedVariable)]


def one_hot(x: Any, m: Any = None) -> Variable:
    """out[..., j] = 1 where x[...] = j, else 0, for j in 0 .. m - 1.

    Parameters
    ----------
    x : integers
    m : number of classes; by default the largest element of x, plus 1

    Returns
    -------
    (..., m), dtype ``config.floatX``
    """
    x = T.as_tensor_variable(x)
    if m is None:
        m = T.add(T.cast(T.max(x), "int64"), 1)
    return T.one_hot(x, m)


def unique(l: Iterable[Any]) -> list[Any]:
    """Return the elements in their order, each once.

    Examples
    --------
    >>> unique([3, 1, 3, 2, 1])
    [3, 1, 2]
    """
    return list(dict.fromkeys(l))


def as_tuple(x: Any, N: int, t: Any = None) -> tuple[Any, ...]:
    """Return x as a tuple of N elements; a single value is repeated.

    Parameters
    ----------
    t : type, or tuple of types, that every element must have

    Examples
    --------
    >>> as_tuple(3, 2), as_tuple([1, 2], 2, int)
    ((3, 3), (1, 2))
    """
    try:
        made = tuple(x)
    except TypeError:
        made = (x,) * N
    if t is not None and not all(isinstance(e, t) for e in made):
        kinds = t if isinstance(t, tuple) else (t,)
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ConversionError(f"expected a {names}, or {N} of them, not {x!r}")
    if len(made) != N:
        raise ArgumentError(f"expected one value or {N} values, not {x!r}")
    return made


def inspect_kwargs(func: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters of a function that have defaults.

    Examples
    --------
    >>> inspect_kwargs(lambda x, deterministic=False, **kwargs: x)
    ['deterministic']
    """
    parameters = inspect.signature(func).parameters.values()
    return [p.name for p in parameters if p.default is not p.empty]


def compute_norms(array: Any, norm_axes: Sequence[int] | None = None) -> Any:
    """out = sqrt(sum of array**2 over axes): the norm of the weights into each unit.

    Parameters
    ----------
    array : variable, or NumPy array (which gives an array)
    norm_axes : axes to add over. By default none for vectors, the first axis of
        matrices, all but the first of filters (3 to 5 axes).

    Examples
    --------
    >>> compute_norms(np.array([[3.0, 0.0], [4.0, 2.0]])).tolist()
    [5.0, 2.0]
    """
    if not isinstance(array, Variable | np.ndarray):
        raise ConversionError(
            f"compute_norms: {type(array).__name__} is neither a variable nor an array"
        )
    over = norm_axes_of(array.ndim, norm_axes, "compute_norms")
    if isinstance(array, Variable):
        return T.sqrt(T.sum(T.sqr(array), axis=over)) if over else T.abs(array)
    return np.sqrt(np.sum(array**2, axis=over)) if over else np.abs(array)


def norm_axes_of(ndim: int, given: Sequence[int] | None, what: str) -> tuple[int, ...]:
    """Return the axes that belong to one unit; see `compute_norms`."""
    if given is not None:
        return tuple(given)
    if ndim == 1:
        return ()
    if ndim == 2:
        return (0,)
    if 3 <= ndim <= 5:
        return tuple(range(1, ndim))
    raise NotSupportedError(
        f"{what}: no default axes for a tensor of rank {ndim}; give norm_axes"
    )


def create_param(spec: Any, shape: Sequence[int], name: str | None = None) -> Variable:
    """Return the variable of a parameter, initialised where it is new.

    Parameters
    ----------
    spec : initialiser or other function of the shape; array; number; shared variable;
        expression. Arrays and numbers become new shared variables of a fixed shape;
        variables are used as they are, and so shared by all who get them.
    shape : of the parameter, known in full
    name : given to a variable that has none

    Raises
    ------
    ShapeError : an extent is not positive, or `spec` has another shape
    ConversionError : `spec` is none of those

    Examples
    --------
    >>> from symgraph.nn import init
    >>> W = create_param(init.Constant(1), (2, 3), "W")
    >>> W, W.type.shape, float(W.get_value().sum())
    (W, (2, 3), 6.0)
    """
    shape = tuple(int(extent) for extent in shape)
    label = "parameter" if name is None else f"parameter {name!r}"
    if any(extent <= 0 for extent in shape):
        raise ShapeError(
            f"cannot create {label} of shape {shape}: every extent must be positive"
        )
    origin = "the value given"
    if callable(spec) and not isinstance(spec, Variable):
        spec, origin = spec(shape), "what the function given returned"
    if isinstance(spec, numbers.Number | np.generic | list | tuple):
        spec = np.asarray(spec)
    if isinstance(spec, np.ndarray):
        if spec.shape != shape:
            raise ShapeError(
                f"cannot initialize {label}: {origin} has shape {spec.shape}, "
                f"should be {shape}"
            )
        return shared(spec, name=name, shape=shape)
    if not isinstance(spec, Variable):
        raise ConversionError(
            f"cannot initialize {label}: {origin} is a {type(spec).__name__}; pass an "
            "initializer, array, number, shared variable or expression"
        )
    known = spec.type.shape
    if isinstance(spec, SharedVariable):
        known = spec.get_value(borrow=True).shape
    if len(known) != len(shape) or any(
        e is not None and e != wanted for e, wanted in zip(known, shape, strict=True)
    ):
        raise ShapeError(
            f"cannot initialize {label}: {origin} has shape {known}, should be {shape}"
            f"{listing(spec)}"
        )
    if not spec.name:
        spec.name = name
    return spec


def unroll_scan(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any,
    n_steps: int,
    go_backwards: bool = False,
) -> list[Variable]:
    """out[t] = fn(x[t], ..., out[t-1], ..., w, ...), the steps written out one by one.

    Parameters
    ----------
    fn : the step; it returns one output or a list of them, and gets all of them back in
        the next step
    sequences, outputs_info, non_sequences : one or a list, as in `symgraph.scan` without
        taps
    n_steps : int
    go_backwards : go through the sequences from row n_steps - 1 to row 0

    Returns
    -------
    a list: for each output, the values of all steps along a new first axis, in the order
    of the steps

    Raises
    ------
    ArgumentError : n_steps is not a positive int; the step returns another number of
        outputs than it takes

    Examples
    --------
    >>> x = T.dvector("x")
    >>> (sums,) = unroll_scan(lambda row, total: total + row, x, T.constant(0.0), [], 3)
    >>> sums.eval({x: [1.0, 2.0, 3.0]})
    array([1., 3., 6.])
    """
    if isinstance(n_steps, bool) or not isinstance(n_steps, int_types) or n_steps < 1:
        raise ArgumentError(
            f"unroll_scan: n_steps={n_steps!r}; use an int of at least 1"
        )
    rows, others = _listed(sequences), _listed(non_sequences)
    states = _listed(outputs_info)
    steps: list[list[Variable]] = []
    for i in reversed(range(n_steps)) if go_backwards else range(n_steps):
        before = steps[-1] if steps else states
        found = _listed(fn(*(x[i] for x in rows), *before, *others))
        if len(found) != len(states):
            raise ArgumentError(
                f"unroll_scan: the step returns {len(found)} outputs, outputs_info has "
                f"{len(states)}{listing(*found)}"
            )
        steps.append(found)
    return [T.stack(values) for values in zip(*steps, strict=True)]


def _listed(given: Any) -> list[Any]:
    """One value or several, as a list of variables."""
    several = given if isinstance(given, list | tuple) else [given]
    return [T.as_tensor_variable(value) for value in several]
