"""LSTMLayer and GRULayer: recurrent layers whose states pass through gates.

The weights of all gates stand side by side in one matrix, put together before the loop:
each step has one product with the state. The loop is in recurrent_loop.py.
"""

import math
from typing import Any, ClassVar

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.init import Constant, Normal
from symgraph.nn.layers.base import Layer, LayerShape, nonlinearity_of
from symgraph.nn.layers.recurrent_loop import OPTIONS, Recurrence
from symgraph.nn.nonlinearities import sigmoid, tanh


class Gate:
    """Parameters of one gate, out = nonlinearity(x W_in + h W_hid + c * W_cell + b).

    Parameters
    ----------
    W_in : (features, units), see `symgraph.nn.utils.create_param`
    W_hid : (units, units)
    W_cell : (units,), from the cell to the gate (peepholes of `LSTMLayer`); None for none
    b : (units,)
    nonlinearity : None for the identity

    References
    ----------
    Gers, Schmidhuber and Cummins 2000, Learning to forget, page 15: a forget gate that
    starts open, as in the example

    Examples
    --------
    >>> from symgraph.nn import init
    >>> from symgraph.nn.layers import Gate, LSTMLayer
    >>> forget = Gate(b=init.Constant(5.0))
    >>> LSTMLayer((10, 20, 30), 4, forgetgate=forget).b_forgetgate.get_value()
    array([5., 5., 5., 5.])
    """

    def __init__(
        self,
        W_in: Any = Normal(0.1),  # noqa: B008 (rules, not states)
        W_hid: Any = Normal(0.1),  # noqa: B008
        W_cell: Any = Normal(0.1),  # noqa: B008
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = sigmoid,
    ) -> None:
        self.W_in = W_in
        self.W_hid = W_hid
        if W_cell is not None:  # as in Lasagne, a gate without has no such attribute
            self.W_cell = W_cell
        self.b = b
        self.nonlinearity = nonlinearity_of(nonlinearity, self)


class GatedRecurrence(Recurrence):
    """What LSTMLayer and GRULayer share: gates, and their weights side by side.

    A gate NAME has the parameters W_in_to_NAME, W_hid_to_NAME and b_NAME.
    """

    #: gates in the order in which their weights stand side by side
    stacked: tuple[str, ...]
    #: gate → the attribute that is its nonlinearity
    gates: ClassVar[dict[str, str]]
    num_units: int

    @classmethod
    def remade(cls, *incoming: Any, **arguments: Any) -> Layer:
        """Make a layer from what was saved: weights and nonlinearities become gates."""
        for gate, nonlinearity in cls.gates.items():
            arguments[gate] = Gate(
                arguments.pop(f"W_in_to_{gate}", None),
                arguments.pop(f"W_hid_to_{gate}", None),
                arguments.pop(f"W_cell_to_{gate}", None),
                arguments.pop(f"b_{gate}", None),
                arguments.pop(nonlinearity),
            )
        return cls(*incoming, **arguments)

    @property
    def state_shape(self) -> LayerShape:
        """(num_units,)."""
        return (self.num_units,)

    def _set_units(self, num_units: Any) -> None:
        if isinstance(num_units, bool) or int(num_units) != num_units or num_units < 1:
            raise ArgumentError(f"{self!r}: num_units={num_units!r}; use 1 or more")
        shape = self.input_shapes[0]
        if len(shape) < 3 or None in shape[2:]:
            raise ShapeError(
                f"{self!r}: the input shape {shape} must be (batch, time, features), "
                "the number of features known"
            )
        self.num_units = int(num_units)

    def _add_gate(self, name: str, gate: Gate) -> None:
        features: Any = self.input_shapes[0][2:]
        units = self.num_units
        for kind, spec, shape in (
            ("W_in_to_", gate.W_in, (math.prod(features), units)),
            ("W_hid_to_", gate.W_hid, (units, units)),
        ):
            setattr(self, kind + name, self.add_param(spec, shape, kind + name))
        bias = self.add_param(gate.b, (units,), f"b_{name}", regularizable=False)
        setattr(self, f"b_{name}", bias)

    def _stacked(self, kind: str) -> Variable:
        """Parameters of one kind of all gates, joined at the axis of the units."""
        found = [getattr(self, kind + name) for name in self.stacked]
        return T.concatenate(found, axis=found[0].ndim - 1)

    def _split(self, x: Variable) -> list[Variable]:
        """The columns of each gate."""
        units = self.num_units
        return [x[:, i * units : (i + 1) * units] for i in range(len(self.stacked))]


def _saved_gates(gates: dict[str, str]) -> tuple[str, ...]:
    """Weights and nonlinearities of gates, as a file names them."""
    kinds = ("W_in_to_", "W_hid_to_", "b_")
    weights = (kind + gate for gate in gates for kind in kinds)
    return (*gates.values(), *weights)


class LSTMLayer(GatedRecurrence):
    """Long short-term memory: a cell that gates write, keep and read.

    i = ingate(x[t], h[t-1], c[t-1]), f = forgetgate(x[t], h[t-1], c[t-1])
    c[t] = f * c[t-1] + i * cell(x[t], h[t-1])
    o = outgate(x[t], h[t-1], c[t])
    h[t] = o * nonlinearity(c[t])

    Each gate is a `Gate`: a weighted sum of what stands in brackets, its bias and its
    nonlinearity; cells go in element by element. The output is every h[t], (batch, time,
    num_units).

    Parameters
    ----------
    incoming : Layer or shape, (batch, time, ...)
    num_units : int, number of cells
    ingate, forgetgate, cell, outgate : Gate
    nonlinearity : from the cell to the output; None for the identity
    cell_init, hid_init : c and h before the first step: (1, num_units), repeated for the
        batch, or a Layer that gives (batch, num_units)
    peepholes : bool
        False leaves c out of the gates, and with it their `W_cell`.
    grad_clipping : size to which the gradients of the gates' sums are limited at each
        step, before the peepholes are added; 0 for no limit

    All else is as in `RecurrentLayer`.

    Raises
    ------
    ArgumentError, ShapeError : options that exclude one another; unknown extents

    References
    ----------
    Hochreiter and Schmidhuber 1997, Long short-term memory. Graves 2013, Generating
    sequences with recurrent neural networks, equations 7 to 11. arXiv:1308.0850

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, LSTMLayer
    >>> x = InputLayer((None, None, 8))
    >>> LSTMLayer(x, 20).output_shape
    (None, None, 20)
    >>> LSTMLayer(x, 20, peepholes=False, only_return_final=True).output_shape
    (None, 20)
    """

    stacked = ("ingate", "forgetgate", "cell", "outgate")
    gates: ClassVar = {
        "ingate": "nonlinearity_ingate",
        "forgetgate": "nonlinearity_forgetgate",
        "cell": "nonlinearity_cell",
        "outgate": "nonlinearity_outgate",
    }
    saved = (
        "num_units", "nonlinearity", "peepholes", *_saved_gates(gates),
        "W_cell_to_ingate", "W_cell_to_forgetgate", "W_cell_to_outgate",
        "cell_init", "hid_init", *OPTIONS,
    )  # fmt: skip

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        ingate: Gate = Gate(),  # noqa: B008
        forgetgate: Gate = Gate(),  # noqa: B008
        cell: Gate = Gate(W_cell=None, nonlinearity=tanh),  # noqa: B008
        outgate: Gate = Gate(),  # noqa: B008
        nonlinearity: Any = tanh,
        cell_init: Any = Constant(0.0),  # noqa: B008
        hid_init: Any = Constant(0.0),  # noqa: B008
        backwards: bool = False,
        learn_init: bool = False,
        peepholes: bool = True,
        gradient_steps: int = -1,
        grad_clipping: float = 0,
        unroll_scan: bool = False,
        precompute_input: bool = True,
        mask_input: Any = None,
        only_return_final: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming,
            {"hid_init": hid_init, "cell_init": cell_init},
            backwards=backwards,
            learn_init=learn_init,
            gradient_steps=gradient_steps,
            grad_clipping=grad_clipping,
            unroll_scan=unroll_scan,
            precompute_input=precompute_input,
            mask_input=mask_input,
            only_return_final=only_return_final,
            **kwargs,
        )
        self._set_units(num_units)
        self.nonlinearity = nonlinearity_of(nonlinearity, self)
        self.peepholes = peepholes
        gates = dict(
            zip(self.stacked, (ingate, forgetgate, cell, outgate), strict=True)
        )
        for name, gate in gates.items():
            self._add_gate(name, gate)
            setattr(self, f"nonlinearity_{name}", gate.nonlinearity)
        for name in ("ingate", "forgetgate", "outgate") if peepholes else ():
            if not hasattr(gates[name], "W_cell"):
                raise ArgumentError(
                    f"{self!r}: {name} has W_cell=None; peepholes need it, give the "
                    "gate one or set peepholes=False"
                )
            word = f"W_cell_to_{name}"
            param = self.add_param(gates[name].W_cell, (self.num_units,), word)
            setattr(self, word, param)
        self.cell_init = self.add_initial("cell_init", cell_init, self.state_shape)
        self.hid_init = self.add_initial("hid_init", hid_init, self.state_shape)

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Variable:  # type: ignore[override]
        """The formula, step by step."""
        x = self.time_first(inputs, 3)
        W_in, b = self._stacked("W_in_to_"), self._stacked("b_")
        W_hid = self._stacked("W_hid_to_")
        if self.precompute_input:
            x = T.dot(x, W_in) + b
        own: Any = self  # gates are attributes made by name

        def step(row: Variable, cell: Variable, hidden: Variable) -> list[Variable]:
            if not self.precompute_input:
                row = T.dot(row, W_in) + b
            sums = self.clipped(row + T.dot(hidden, W_hid))
            i, f, new, o = self._split(sums)
            if self.peepholes:
                i = i + cell * own.W_cell_to_ingate
                f = f + cell * own.W_cell_to_forgetgate
            written = own.nonlinearity_ingate(i) * own.nonlinearity_cell(new)
            cell = own.nonlinearity_forgetgate(f) * cell + written
            if self.peepholes:
                o = o + cell * own.W_cell_to_outgate
            return [cell, own.nonlinearity_outgate(o) * self.nonlinearity(cell)]

        return self.loop(step, x, inputs, ["cell_init", "hid_init"])


class GRULayer(GatedRecurrence):
    """Gated recurrent unit: a state that a gate replaces, wholly or in part.

    r = resetgate(x[t], h[t-1]), u = updategate(x[t], h[t-1])
    c = nonlinearity of hidden_update(x[t] W_in + r * (h[t-1] W_hid) + b)
    h[t] = (1 - u) * h[t-1] + u * c

    The output is every h[t], (batch, time, num_units). The reset gate acts behind the
    product with W_hid, so that one product serves all gates.

    Parameters
    ----------
    incoming : Layer or shape, (batch, time, ...)
    num_units : int
    resetgate, updategate, hidden_update : Gate, whose `W_cell` is not used
    hid_init : h before the first step: (1, num_units), repeated for the batch, or a Layer
        that gives (batch, num_units)
    grad_clipping : size to which, at each step, the gradients of what comes from the
        input, of the products with h[t-1] and of the sum inside c are limited; 0 for no
        limit

    All else is as in `RecurrentLayer`.

    Raises
    ------
    ArgumentError, ShapeError : options that exclude one another; unknown extents

    References
    ----------
    Cho et al. 2014, On the properties of neural machine translation. arXiv:1409.1259
    Chung et al. 2014, Empirical evaluation of gated recurrent neural networks on
    sequence modeling. arXiv:1412.3555

    Examples
    --------
    >>> from symgraph.nn.layers import GRULayer, InputLayer
    >>> GRULayer(InputLayer((None, None, 8)), 20).output_shape
    (None, None, 20)
    """

    stacked = ("resetgate", "updategate", "hidden_update")
    gates: ClassVar = {
        "resetgate": "nonlinearity_resetgate",
        "updategate": "nonlinearity_updategate",
        "hidden_update": "nonlinearity_hid",
    }
    saved = ("num_units", *_saved_gates(gates), "hid_init", *OPTIONS)

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        resetgate: Gate = Gate(W_cell=None),  # noqa: B008
        updategate: Gate = Gate(W_cell=None),  # noqa: B008
        hidden_update: Gate = Gate(W_cell=None, nonlinearity=tanh),  # noqa: B008
        hid_init: Any = Constant(0.0),  # noqa: B008
        backwards: bool = False,
        learn_init: bool = False,
        gradient_steps: int = -1,
        grad_clipping: float = 0,
        unroll_scan: bool = False,
        precompute_input: bool = True,
        mask_input: Any = None,
        only_return_final: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming,
            {"hid_init": hid_init},
            backwards=backwards,
            learn_init=learn_init,
            gradient_steps=gradient_steps,
            grad_clipping=grad_clipping,
            unroll_scan=unroll_scan,
            precompute_input=precompute_input,
            mask_input=mask_input,
            only_return_final=only_return_final,
            **kwargs,
        )
        self._set_units(num_units)
        # the order of the parameters is Lasagne's
        self._add_gate("updategate", updategate)
        self._add_gate("resetgate", resetgate)
        self._add_gate("hidden_update", hidden_update)
        self.nonlinearity_updategate = updategate.nonlinearity
        self.nonlinearity_resetgate = resetgate.nonlinearity
        self.nonlinearity_hid = hidden_update.nonlinearity
        self.hid_init = self.add_initial("hid_init", hid_init, self.state_shape)

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Variable:  # type: ignore[override]
        """The formula, step by step."""
        x = self.time_first(inputs, 3)
        W_in, b = self._stacked("W_in_to_"), self._stacked("b_")
        W_hid = self._stacked("W_hid_to_")
        if self.precompute_input:
            x = T.dot(x, W_in) + b

        def step(row: Variable, hidden: Variable) -> list[Variable]:
            row = self.clipped(row)
            if not self.precompute_input:
                row = T.dot(row, W_in) + b
            r_hid, u_hid, c_hid = self._split(self.clipped(T.dot(hidden, W_hid)))
            r_in, u_in, c_in = self._split(row)
            r = self.nonlinearity_resetgate(r_hid + r_in)
            u = self.nonlinearity_updategate(u_hid + u_in)
            c = self.nonlinearity_hid(self.clipped(c_in + r * c_hid))
            return [(1 - u) * hidden + u * c]

        return self.loop(step, x, inputs, ["hid_init"])
