"""Wrong programs: each raises a named error that tells what, where, and what to do.

A program is a function of this file. Its error must hold the names of the operands, the
facts that disagree, the line of the mistake or of the operands, and a cure.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import errors


@dataclass(frozen=True)
class Wrong:
    """A program, its error, and what the text must hold."""

    program: Callable[[], Any]
    error: type[Exception]
    holds: tuple[str, ...]
    line: bool = True


PROGRAMS: list[Any] = []


def wrong(error: type[Exception], *holds: str, line: bool = True) -> Any:
    """Declare a program; `line`: its text names a line of this file."""

    def declare(program: Callable[[], Any]) -> Callable[[], Any]:
        PROGRAMS.append(
            pytest.param(Wrong(program, error, holds, line), id=program.__name__)
        )
        return program

    return declare


# --- building -------------------------------------------------------------------------


@wrong(errors.ShapeError, "784", "800", "x : float64", "W : float64", "inner", "dot")
def inner_extents_differ() -> Any:
    x, w = T.matrix("x", shape=(None, 784)), T.matrix("W", shape=(800, 10))
    return T.dot(x, w)


@wrong(errors.ShapeError, "3", "4", "a : float64 (3,)", "b : float64 (4,)")
def extents_do_not_broadcast() -> Any:
    a, b = T.vector("a", shape=(3,)), T.vector("b", shape=(4,))
    return a + b


@wrong(errors.AxisError, "2", "x : float64")
def axis_out_of_range() -> Any:
    return T.matrix("x").sum(axis=2)


@wrong(errors.AxisError, "axis", "x : float64")
def softmax_axis_out_of_range() -> Any:
    return T.nnet.softmax(T.matrix("x"), axis=5)


@wrong(errors.ShapeError, "x : float64", "rank")
def concatenate_of_different_ranks() -> Any:
    return T.concatenate([T.matrix("x"), T.vector("y")])


@wrong(errors.ShapeError, "x : float64", "3", "4")
def concatenate_of_other_extents() -> Any:
    x, y = T.matrix("x", shape=(2, 3)), T.matrix("y", shape=(2, 4))
    return T.concatenate([x, y], axis=0)


@wrong(errors.ShapeError, "x : float64", "6", "4")
def reshape_to_another_size() -> Any:
    return T.matrix("x", shape=(2, 3)).reshape((2, 2))


@wrong(errors.ShapeError, "x : float64")
def dimshuffle_drops_a_long_axis() -> Any:
    return T.matrix("x", shape=(2, 3)).dimshuffle(0)


@wrong(errors.SymgraphError, "x : float64")
def dimshuffle_names_an_axis_twice() -> Any:
    return T.matrix("x").dimshuffle(0, 0)


@wrong(errors.IndexRangeError, "5", "3", "x : float64 (3,)")
def index_out_of_range() -> Any:
    return T.vector("x", shape=(3,))[5]


@wrong(errors.AxisError, "x : float64")
def too_many_indices() -> Any:
    return T.vector("x")[1, 2]


@wrong(errors.DtypeError, "float")
def float_as_index() -> Any:
    return T.vector("x")[1.5]


@wrong(errors.DtypeError, "and", "integers", "y : float64", "x : float64")
def bitwise_of_floats() -> Any:
    return T.vector("x") & T.vector("y")


@wrong(errors.ShapeError, "x : float64", "batch", "2", "5")
def batched_dot_of_other_batches() -> Any:
    x, y = T.tensor3("x", shape=(2, 3, 4)), T.tensor3("y", shape=(5, 4, 6))
    return T.batched_dot(x, y)


@wrong(errors.DtypeError, "float16", "float32", line=False)
def unknown_dtype() -> Any:
    return T.vector("x", dtype="float16")


@wrong(errors.DtypeError, "text", "float32", line=False)
def cast_to_an_unknown_dtype() -> Any:
    return T.cast(T.vector("x"), "text")


@wrong(errors.SymbolicValueError, "gt(x, 0.0)", "bool ()", "switch")
def truth_of_a_comparison() -> Any:
    x = T.scalar("x")
    return 1 if x > 0 else 2


@wrong(errors.SymbolicValueError, "x : float64")
def iteration_over_unknown_length() -> Any:
    return list(T.vector("x"))


@wrong(errors.ConversionError, "object", line=False)
def an_object_as_operand() -> Any:
    return T.vector("x") + object()


@wrong(errors.ConversionError, "ragged", line=False)
def a_ragged_list_as_shared() -> Any:
    return sg.shared([[1.0, 2.0], [3.0]])


@wrong(errors.ConversionError, "x : float64", "value")
def an_expression_as_shared() -> Any:
    return sg.shared(T.vector("x"))


@wrong(errors.ShapeError, "x", "y", "4", "3")
def set_subtensor_of_another_length() -> Any:
    x, y = T.vector("x", shape=(6,)), T.vector("y", shape=(4,))
    return T.set_subtensor(x[:3], y)


@wrong(errors.SymgraphError, "add(x, 1.0) : float64", "a[1:3]")
def set_subtensor_of_no_part() -> Any:
    x = T.vector("x")
    return T.set_subtensor(x + 1, 0.0)


@wrong(errors.SymgraphError, "t : float64", "Cast", "one-hot")
def crossentropy_of_float_targets() -> Any:
    return T.nnet.categorical_crossentropy(T.matrix("x"), T.vector("t"))


# --- gradients --------------------------------------------------------------------------


@wrong(errors.GradientError, "scalar", "mul(x, 2.0)", "mean")
def gradient_of_a_vector() -> Any:
    x = T.vector("x")
    return sg.grad(x * 2, x)


@wrong(errors.GradientError, "(i) : int64 ()", "float", "Cast")
def gradient_of_an_integer_cost() -> Any:
    i = T.lvector("i")
    return sg.grad(i.sum(), i)


@wrong(errors.DisconnectedInputError, "y : float64", "disconnected_inputs")
def gradient_that_is_disconnected() -> Any:
    x, y = T.vector("x"), T.vector("y")
    return sg.grad(x.sum(), y)


@wrong(errors.SymgraphError, "maybe", line=False)
def gradient_with_an_unknown_policy() -> Any:
    x, y = T.vector("x"), T.vector("y")
    return sg.grad(x.sum(), y, disconnected_inputs="maybe")


# --- function ---------------------------------------------------------------------------


@wrong(errors.MissingInputError, "y : float64", "givens", "shared")
def output_depends_on_no_input() -> Any:
    x, y = T.vector("x"), T.vector("y")
    return sg.function([x], x + y)


@wrong(errors.UnusedInputError, "y : float64", "on_unused_input")
def input_is_unused() -> Any:
    x, y = T.vector("x"), T.vector("y")
    return sg.function([x, y], x)


@wrong(errors.ArgumentError, "twice", "x : float64")
def input_is_given_twice() -> Any:
    x = T.vector("x")
    return sg.function([x, x], x)


@wrong(errors.UpdateError, "float64", "float32", "w : float32", "Cast")
def update_of_another_dtype() -> Any:
    w = sg.shared(np.zeros(3, "float32"), name="w")
    return sg.function([], updates=[(w, w * T.constant(np.ones(3)))])


@wrong(errors.UpdateError, "rank", "w : float64")
def update_of_another_rank() -> Any:
    w = sg.shared(np.zeros(3), name="w")
    return sg.function([], updates=[(w, w.sum())])


@wrong(errors.UpdateError, "shared", "x : float64")
def update_of_an_input() -> Any:
    x = T.scalar("x")
    return sg.function([x], x, updates=[(x, x + 1)])


@wrong(errors.UpdateError, "two updates", "w : float64")
def update_made_twice() -> Any:
    w = sg.shared(1.0, name="w")
    return sg.function([], updates=[(w, w + 1), (w, w + 2)])


@wrong(errors.GivensError, "cycle", "x", "y", "->")
def givens_in_a_circle() -> Any:
    x, y = T.scalars("x", "y")
    return sg.function([], x, givens=[(x, y + 1), (y, x + 1)])


@wrong(errors.GivensError, "int64", "float64", "i : int64", "Cast")
def givens_of_another_dtype() -> Any:
    i, x = T.lvector("i"), T.dvector("x")
    return sg.function([x], i, givens=[(i, x)])


@wrong(errors.GivensError, "rank", "x : float64")
def givens_of_another_rank() -> Any:
    x, y = T.vector("x"), T.matrix("y")
    return sg.function([y], x, givens=[(x, y)])


@wrong(errors.ModeError, "FAST", "FAST_RUN", "DEBUG", line=False)
def mode_is_unknown() -> Any:
    x = T.scalar("x")
    return sg.function([x], x, mode="FAST")


@wrong(errors.NotSupportedError, "cuda", "'cpu'", line=False)
def device_is_not_there() -> Any:
    x = T.scalar("x")
    return sg.function([x], x, device="cuda")


@wrong(errors.ConfigError, "floatX", "float16", "float32", line=False)
def setting_has_no_such_value() -> Any:
    sg.config.floatX = "float16"


@wrong(errors.ConfigError, "flaotX", "floatX", line=False)
def setting_is_unknown() -> Any:
    sg.config.flaotX = "float32"


@wrong(errors.ShapeError, "-3", "extent", line=False)
def a_computed_extent_below_zero() -> Any:
    x = T.vector("x")
    return sg.function([x], T.zeros((T.cast(x.sum(), "int64"),)))(np.float64([-1, -2]))


@wrong(errors.NotSupportedError, "complex128", "FAST_COMPILE", line=False)
def a_product_of_complex_numbers() -> Any:
    x = T.zvector("x")
    return sg.function([x], x.prod())


# --- calls ------------------------------------------------------------------------------


def _function() -> Any:
    x, y = T.fmatrix("x"), T.lvector("labels")
    return sg.function([x, y], x[0, 0] + y.sum())


_X, _Y = np.ones((2, 3), "float32"), np.array([1, 2])


@wrong(errors.InputError, "rank", "x : float32", "(3,)", "2 axes")
def value_of_another_rank() -> Any:
    return _function()(np.ones(3, "float32"), _Y)


@wrong(errors.InputError, "float64", "x : float32", "allow_input_downcast")
def value_that_would_lose_precision() -> Any:
    return _function()(np.ones((2, 3)), _Y)


@wrong(errors.InputError, "float64", "labels : int64", "lose")
def floats_for_integers() -> Any:
    return _function()(_X, np.array([1.5]))


@wrong(errors.InputError, "labels : int64")
def text_for_numbers() -> Any:
    return _function()(_X, ["a", "b"])


@wrong(errors.InputError, "x : float32", "no array", "inhomogeneous")
def a_ragged_list_for_numbers() -> Any:
    return _function()([[1.0, 2.0], [3.0]], _Y)


@wrong(errors.InputError, "symbolic", "x : float32")
def a_variable_for_a_value() -> Any:
    return _function()(T.fmatrix("z"), _Y)


@wrong(errors.MissingInputError, "labels", line=False)
def a_value_is_missing() -> Any:
    return _function()(_X)


@wrong(errors.InputError, "2 values", "3 were given", line=False)
def a_value_too_many() -> Any:
    return _function()(_X, _Y, 3)


@wrong(errors.InputError, "labes", "labels", line=False)
def a_keyword_is_unknown() -> Any:
    return _function()(_X, labes=_Y)


@wrong(errors.InputError, "twice", "x", line=False)
def a_value_is_given_twice() -> Any:
    return _function()(_X, _Y, x=_X)


@wrong(errors.ShapeError, "5", "3", "x : float64 (None, 3)", "(2, 5)")
def a_declared_extent_is_missed() -> Any:
    x = T.matrix("x", shape=(None, 3))
    return sg.function([x], x)(np.ones((2, 5)))


@wrong(errors.ShapeError, "3 and 4 differ", "x : float64", "y : float64", "add")
def lengths_differ_at_a_call() -> Any:
    x, y = T.vector("x"), T.vector("y")
    return sg.function([x, y], x + y)(np.ones(3), np.ones(4))


@wrong(
    errors.ShapeError, "inner extents", "3 and 4 differ", "x : float64", "w : float64"
)
def products_do_not_fit_at_a_call() -> Any:
    x, w = T.matrix("x"), sg.shared(np.ones((4, 2)), name="w")
    return sg.function([x], T.dot(x, w))(np.ones((5, 3)))


@wrong(errors.ShapeError, "6 and 8 differ", "x : float64", "number of elements")
def a_reshape_does_not_fit_at_a_call() -> Any:
    x = T.vector("x")
    return sg.function([x], x.reshape((2, 4)))(np.ones(6))


@wrong(errors.ShapeError, "x : float64", "differ")
def joined_arrays_do_not_fit_at_a_call() -> Any:
    x, y = T.matrix("x"), T.matrix("y")
    f = sg.function([x, y], T.concatenate([x, y], axis=0))
    return f(np.ones((2, 3)), np.ones((2, 4)))


@wrong(errors.IndexRangeError, "3", "x : float64", "axis 0")
def an_index_is_out_of_range_at_a_call() -> Any:
    x, i = T.vector("x"), T.lscalar("i")
    return sg.function([x, i], x[i])(np.ones(3), 3)


@wrong(errors.IndexRangeError, "take", "table : float64", "rows : int64")
def indices_are_out_of_range_at_a_call() -> Any:
    x, i = T.vector("table"), T.lvector("rows")
    return sg.function([x, i], x[i])(np.ones(3), [0, 7])


@wrong(errors.ShapeError, "max", "empty", "x : float64")
def the_maximum_of_nothing() -> Any:
    x = T.vector("x")
    return sg.function([x], x.max())(np.ones(0))


@wrong(errors.NaNError, "log", "x : float64", "NaN")
def a_nan_in_debug_mode() -> Any:
    x = T.vector("x")
    return sg.function([x], T.log(x), mode="DEBUG")(-np.ones(2))


@wrong(errors.InputError, "w : float64", "rank")
def a_shared_value_of_another_rank() -> Any:
    w = sg.shared(np.zeros(3), name="w")
    w.set_value(np.zeros((3, 3)))


@wrong(errors.InputError, "w : float32", "float64", "allow_downcast")
def a_shared_value_that_would_lose_precision() -> Any:
    w = sg.shared(np.zeros(3, "float32"), name="w")
    w.set_value(np.ones(3))


@wrong(errors.ShapeError, "rows", "(5, 3)", "(4,)", line=False)
def an_epoch_of_unequal_lengths() -> Any:
    x, y = T.matrix("x"), T.lvector("y")
    f = sg.function([x, y], x.sum() + y.sum())
    return f.epoch(np.ones((5, 3)), np.ones(4, "int64"), batch_size=2)


@wrong(errors.ArgumentError, "batch_size", "0", line=False)
def an_epoch_of_no_rows() -> Any:
    x = T.matrix("x")
    return sg.function([x], x.sum()).epoch(np.ones((5, 3)), batch_size=0)


# --- the tests ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", PROGRAMS)
def test_a_wrong_program_is_told_what_where_and_why(case: Wrong) -> None:
    with pytest.raises(case.error) as caught:
        case.program()
    text = str(caught.value)
    assert isinstance(caught.value, errors.SymgraphError), type(caught.value)
    for part in case.holds:
        assert part in text, f"{part!r} is not in:\n{text}"
    if case.line:
        lines, first = inspect.getsourcelines(case.program)
        found = [int(n) for n in re.findall(r"test_wrong_programs\.py:(\d+)", text)]
        own = range(first, first + len(lines))
        helper, start = inspect.getsourcelines(_function)
        own_or_helper = {*own, *range(start, start + len(helper))}
        assert set(found) & own_or_helper, f"no line of the program in:\n{text}"


def test_there_are_forty_programs_and_most_kinds_of_errors() -> None:
    assert len(PROGRAMS) >= 40
    kinds = {param.values[0].error for param in PROGRAMS}
    assert len(kinds) >= 14


def test_every_error_has_a_docstring_with_its_cause_or_cure() -> None:
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert kind.__doc__, name
            assert len(kind.__doc__) > 30, name
