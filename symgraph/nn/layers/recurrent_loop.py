"""Recurrence: what all recurrent layers share.

In: the input (batch, time, ...), perhaps a mask (batch, time), and states before the
first step. Out: the states of all steps (batch, time, ...), or the last one. A layer
gives the step as a function; this file checks the options, lays time in front, repeats
the first states for the batch, keeps a state where the mask is 0, and runs the steps, by
`symgraph.scan` or written out one by one. The equations are in recurrent.py and
recurrent_gates.py.
"""

from collections.abc import Callable, Sequence
from typing import Any

import symgraph.tensor as T
from symgraph.core.dtypes import upcast
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.gradient import grad_clip
from symgraph.loops.build import scan
from symgraph.nn.layers.base import Layer, LayerShape, MergeLayer
from symgraph.nn.utils import unroll_scan

Step = Callable[..., list[Variable]]
#: arguments that every recurrent layer has and a file keeps
OPTIONS = (
    "backwards", "learn_init", "gradient_steps", "grad_clipping", "unroll_scan",
    "precompute_input", "only_return_final",
)  # fmt: skip


class Recurrence(MergeLayer):
    """A layer that carries states along the time axis of its input.

    Parameters
    ----------
    incoming : Layer or shape, (batch, time, ...)
    states : dictionary name → what the user gave for the state before the first step.
        Layers among them become inputs of this layer, behind the input and the mask.
    kwargs : of `MergeLayer`

    The other parameters are described at `RecurrentLayer`.

    Attributes
    ----------
    mask_incoming_index, NAME_incoming_index : place of the mask and of the first state
        NAME among the inputs; -1 where no layer gives them
    """

    def __init__(
        self,
        incoming: Any,
        states: dict[str, Any],
        *,
        backwards: bool,
        learn_init: bool,
        gradient_steps: int,
        grad_clipping: float,
        unroll_scan: bool,
        precompute_input: bool,
        mask_input: Any,
        only_return_final: bool,
        **kwargs: Any,
    ) -> None:
        incomings = [incoming]
        self.mask_incoming_index = _place(incomings, mask_input, mask_input is not None)
        for name, spec in states.items():
            place = _place(incomings, spec, isinstance(spec, Layer))
            setattr(self, f"{name}_incoming_index", place)
        super().__init__(incomings, **kwargs)
        self.backwards = backwards
        self.learn_init = learn_init
        self.gradient_steps = gradient_steps
        self.grad_clipping = grad_clipping
        self.unroll_scan = unroll_scan
        self.precompute_input = precompute_input
        self.only_return_final = only_return_final
        self._check_options()

    @property
    def roles(self) -> list[str | None]:
        """The input, then the mask and first states that are layers."""
        ends = ("_incoming_index", "mask")
        found: dict[int, str | None] = {0: "incoming"}
        for name, place in vars(self).items():
            if name.endswith(ends[0]) and place > 0:
                name = name.removesuffix(ends[0])
                found[place] = "mask_input" if name == ends[1] else name
        return [found[place] for place in sorted(found)]

    def _check_options(self) -> None:
        steps, shape = self.gradient_steps, self.input_shapes[0]
        if steps != -1 and steps < 1:
            raise ArgumentError(
                f"{self!r}: gradient_steps={steps}; use -1 for all steps, or at least 1"
            )
        if self.grad_clipping < 0:
            raise ArgumentError(
                f"{self!r}: grad_clipping={self.grad_clipping}; use the largest size "
                "of a gradient, or 0 for none"
            )
        if len(shape) < 2:
            raise ShapeError(
                f"{self!r}: the input shape {shape} must be (batch, time, ...)"
            )
        if self.mask_incoming_index > 0:
            found = self.input_shapes[self.mask_incoming_index]
            if not fit(found, shape[:2]):
                raise ShapeError(
                    f"{self!r}: the mask has the shape {found}; it must be (batch, "
                    f"time), and the input has the shape {shape}"
                )
        if not self.unroll_scan:
            return
        if steps != -1:
            raise ArgumentError(
                f"{self!r}: gradient_steps={steps} together with unroll_scan=True; "
                "gradients of unrolled steps go through all of them, use -1"
            )
        if shape[1] is None:
            raise ShapeError(
                f"{self!r}: unroll_scan=True needs the number of time steps, but the "
                f"input shape is {shape}; give the InputLayer this extent"
            )

    # --- what a layer made from this offers --------------------------------------------

    @property
    def state_shape(self) -> LayerShape:
        """Shape of the state that comes out, for one example."""
        raise NotImplementedError

    def get_output_shape_for(self, input_shapes: Any) -> LayerShape:
        """(batch, time, *state), or (batch, *state) of the last step."""
        batch, time = input_shapes[0][:2]
        head = (batch,) if self.only_return_final else (batch, time)
        return (*head, *self.state_shape)

    # --- pieces of get_output_for ------------------------------------------------------

    def add_initial(self, name: str, spec: Any, shape: Sequence[int | None]) -> Any:
        """The layer that gives a first state, or a parameter (1, *shape)."""
        if isinstance(spec, Layer):
            batch = self.input_shapes[0][0]
            if not fit(spec.output_shape[1:], shape):
                raise ShapeError(
                    f"{self!r}: {name}={spec!r} gives the shape {spec.output_shape}, "
                    f"states have the shape {(batch, *shape)}"
                )
            return spec
        return self.add_param(
            spec, (1, *shape), name, trainable=self.learn_init, regularizable=False
        )

    def clipped(self, x: Variable) -> Variable:
        """X, whose gradient is limited to -grad_clipping .. grad_clipping."""
        if not self.grad_clipping:
            return x
        return grad_clip(x, -self.grad_clipping, self.grad_clipping)

    def time_first(self, inputs: Sequence[Variable], rank: int) -> Variable:
        """The input (time, batch, ...), brought to this many axes."""
        x = inputs[0]
        if x.ndim > rank:
            x = T.flatten(x, rank)
        if self.unroll_scan:  # other lengths are refused when the function runs
            steps = self.input_shapes[0][1]
            x = T.specify_shape(x, (None, steps, *(None,) * (x.ndim - 2)))
        return x.dimshuffle(1, 0, *range(2, x.ndim))

    def loop(
        self,
        step: Step,
        sequence: Variable,
        inputs: Sequence[Variable],
        names: Sequence[str],
    ) -> Variable:
        """The output: the last state of each step, or of the last step.

        Parameters
        ----------
        step : function of a row of `sequence` and the states, giving new states
        sequence : (time, batch, ...)
        inputs : of `get_output_for`
        names : of the states
        """
        states = [self._initial(name, inputs, sequence) for name in names]
        sequences = [sequence]
        if self.mask_incoming_index > 0:
            mask = T.neq(inputs[self.mask_incoming_index], 0)
            extra = ("x",) * (states[-1].ndim - 1)
            sequences.append(mask.dimshuffle(1, 0, *extra))
            step = _masked(step)
        if self.unroll_scan:
            steps = self.input_shapes[0][1]
            assert steps is not None  # looked at when the layer is made
            found = unroll_scan(step, sequences, states, [], steps, self.backwards)
        else:
            found, updates = scan(
                step,
                sequences,
                states,
                truncate_gradient=self.gradient_steps,
                go_backwards=self.backwards,
                return_list=True,
            )
            # random streams and running averages inside advance with the steps
            for target, value in updates.items():
                target.default_update = value
        out = found[-1]
        if self.only_return_final:
            return out[-1]
        if self.backwards:
            out = out[::-1]
        return out.dimshuffle(1, 0, *range(2, out.ndim))

    def _initial(
        self, name: str, inputs: Sequence[Variable], sequence: Variable
    ) -> Variable:
        """A state before the first step, one row for each example."""
        place = getattr(self, f"{name}_incoming_index")
        found = inputs[place] if place > 0 else getattr(self, name)
        found = T.cast(found, upcast(found.dtype, sequence.dtype))
        if place < 0 and found.type.shape[0] is None:
            found = T.specify_shape(found, (1, *(None,) * (found.ndim - 1)))
        if found.type.shape[0] == 1:
            extents = [found.shape[axis] for axis in range(1, found.ndim)]
            found = T.broadcast_to(found, (sequence.shape[1], *extents))
        return found


def fit(a: Sequence[int | None], b: Sequence[int | None]) -> bool:
    """Whether two shapes can be the same; None fits anything."""
    return len(a) == len(b) and all(
        x is None or y is None or x == y for x, y in zip(a, b, strict=True)
    )


def _place(incomings: list[Any], given: Any, is_input: bool) -> int:
    """Where among the inputs this one now stands; -1 if it is none."""
    if not is_input:
        return -1
    incomings.append(given)
    return len(incomings) - 1


def _masked(step: Step) -> Step:
    """The step that leaves an example's states as they are where its mask is 0."""

    def kept(row: Variable, mask: Variable, *states: Variable) -> list[Variable]:
        news = step(row, *states)
        return [T.switch(mask, new, old) for new, old in zip(news, states, strict=True)]

    return kept
