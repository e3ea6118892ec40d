"""Ops in Theano's form: values, shapes, derivatives, equality, and broken promises."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.graph import Graph, fingerprint, freeze, verify
from symgraph.errors import (
    ArgumentError,
    DisconnectedInputError,
    DtypeError,
    GradientError,
    GraphError,
    NotSupportedError,
    ShapeError,
    UserOpError,
    VerifyGradError,
)
from symgraph.gradient import DisconnectedType, grad_not_implemented, grad_undefined
from symgraph.ops.shape import extent_key, inferred_extents
from symgraph.rewrite.pipeline import optimize

REFERENCE = "FAST_COMPILE"
Storage = list[list[Any]]


class Scaled(sg.Op):
    """out = k * x."""

    __props__ = ("k",)

    def __init__(self, k: float = 2.0) -> None:
        self.k = k

    def make_node(self, x: Any) -> sg.Apply:
        x = T.as_tensor_variable(x)
        return sg.Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Storage) -> None:
        (x,) = inputs
        output_storage[0][0] = np.asarray(x * self.k, node.outputs[0].dtype)

    def infer_shape(self, node: Any, shapes: Any) -> Any:
        return [shapes[0]]

    def grad(self, inputs: Any, output_gradients: Any) -> Any:
        return [Scaled(self.k)(output_gradients[0])]


class Positive(sg.Op):
    """The positive elements: nobody can tell how many."""

    __props__ = ()
    itypes = [T.dvector]
    otypes = [T.dvector, T.lscalar]

    def perform(self, node: Any, inputs: Any, output_storage: Storage) -> None:
        found = inputs[0][inputs[0] > 0]
        output_storage[0][0] = found
        output_storage[1][0] = np.int64(len(found))


class Written(sg.Op):
    """Writes what it was given, whatever the types say."""

    def __init__(self, value: Any, gradients: Any = None, shape: Any = None) -> None:
        self.value, self.gradients, self.shape = value, gradients, shape

    def make_node(self, x: Any) -> sg.Apply:
        return sg.Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Storage) -> None:
        output_storage[0][0] = self.value

    def grad(self, inputs: Any, output_gradients: Any) -> Any:
        return self.gradients

    def infer_shape(self, node: Any, shapes: Any) -> Any:
        return shapes if self.shape is None else self.shape


x, y = T.dvectors("x", "y")


def frozen(*outputs: Any) -> Graph:
    graph = freeze([x], list(outputs))
    result = optimize(graph, assume_equal=True).graph
    verify(result)
    return result


def run(graph: Graph, value: Any) -> list[Any]:
    return [a.tolist() for a in evaluate(graph.outputs, {x: np.array(value)})]


# --- what works ----------------------------------------------------------------------


def test_value_and_gradients_of_all_orders() -> None:
    out = Scaled(3.0)(x)
    dx = sg.grad((out**2).sum(), x)
    f = sg.function([x], [out, dx], mode=REFERENCE)
    assert [v.tolist() for v in f([1.0, 2.0])] == [[3, 6], [18, 36]]
    assert run(frozen(out, dx), [1.0, 2.0]) == [[3, 6], [18, 36]]
    sg.verify_grad(
        lambda v: Scaled(2.5)(v) * v, [np.array([0.5, -1.0])], mode=REFERENCE
    )
    hessian = sg.function([x], sg.hessian((out**2).sum(), x), mode=REFERENCE)
    np.testing.assert_allclose(hessian([1.0, 2.0]), 18 * np.eye(2))
    g = sg.function([x, y], sg.Rop(out, x, y), mode=REFERENCE)
    assert g([1.0, 1.0], [1.0, 2.0]).tolist() == [3.0, 6.0]


def test_compiled_functions_call_perform_back() -> None:
    values, count = Positive()(x)
    out = Scaled(3.0)(x)
    f = sg.function([x], [values * 2, count, out, sg.grad((out**2).sum(), x)])
    assert [v.tolist() for v in f([1.0, -2.0, 3.0])] == [
        [2, 6], 2, [3, -6, 9], [18, -36, 54],
    ]  # fmt: skip
    assert [v.tolist() for v in f([-1.0])] == [[], 0, [-3], [-18]]
    g = sg.function([x, y], sg.Rop(out, x, y))
    assert g([1.0, 1.0], [1.0, 2.0]).tolist() == [3.0, 6.0]


def test_debug_mode_compares_ops_of_the_user() -> None:
    values, count = Positive()(x)
    f = sg.function([x], [values * 2, count, Scaled(3.0)(x)], mode="DEBUG")
    for _ in range(2):
        assert f([1.0, -2.0])[0].tolist() == [2.0]


def test_the_cache_of_code_finds_the_op_of_this_process() -> None:
    for factor in (2.0, 5.0, 2.0):  # equal types, so that the code is the same
        op = Scaled(factor)
        assert sg.function([x], op(x) + 1)([1.0]).tolist() == [factor + 1]


def test_broken_promises_in_compiled_code_leave_shared_variables_alone() -> None:
    state = sg.shared(np.zeros(2))
    f = sg.function([x], [], updates=[(state, Written(np.zeros(2))(x) + 1)])
    with pytest.raises(UserOpError, match="infer_shape told 3"):
        f([1.0, 2.0, 3.0])
    assert state.get_value().tolist() == [0.0, 0.0]
    f([1.0, 2.0])
    assert state.get_value().tolist() == [1.0, 1.0]


def test_the_node_is_the_users_own() -> None:
    op = Scaled(3.0)
    out = op(x, name="named")
    assert out.owner.op is op
    assert out.owner.inputs == (x,)
    assert out.name == "named"
    assert out.place[0] == __file__
    assert str(op) == "Scaled{k=3.0}"
    assert op(x, return_list=True)[0].type == x.type


def test_props_make_equal_ops_equal_and_equal_applications_merge() -> None:
    assert Scaled(2.0) == Scaled(2.0) != Scaled(3.0)
    assert hash(Scaled(2.0)) == hash(Scaled(2.0))
    one, other = Written(1.0), Written(1.0)
    assert one != other
    graph = frozen(Scaled(2.0)(x), Scaled(2.0)(x), Scaled(3.0)(x), one(x), other(x))
    a, b, c, d, e = graph.outputs
    assert a is b
    assert len({a, c, d, e}) == 4


def test_the_fingerprint_tells_unequal_ops_apart() -> None:
    def print_of(*ops: sg.Op) -> str:
        return fingerprint(freeze([x], [op(x) for op in ops]))

    assert print_of(Scaled(2.0)) == print_of(Scaled(2.0)) != print_of(Scaled(4.0))
    assert print_of(Written(1)) != print_of(Written(1))


def test_extents_come_from_infer_shape() -> None:
    (extent,) = inferred_extents(Scaled()(x))
    assert extent_key(extent) == extent_key(x.shape[0])
    assert [n.op.name for n in frozen(Scaled()(x)).applies()] == ["extent", "perform"]


def test_infer_shape_may_take_the_graph_and_compute_with_extents() -> None:
    class Twice(sg.Op):
        __props__ = ()
        itypes = [T.dvector]
        otypes = [T.dmatrix]

        def perform(self, node: Any, inputs: Any, output_storage: Storage) -> None:
            output_storage[0][0] = np.stack([inputs[0], inputs[0]])[:, 1:]

        def infer_shape(self, fgraph: Any, node: Any, shapes: Any) -> Any:
            return [(T.constant(1) + 1, shapes[0][0] - 1)]

    graph = frozen(Twice()(x))
    assert graph.outputs[0].type.shape == (2, None)
    assert run(graph, [1.0, 2.0, 3.0]) == [[[2, 3], [2, 3]]]


def test_without_infer_shape_the_op_runs_once_and_tells_its_extents() -> None:
    calls = []

    @sg.as_op(T.dvector, T.dvector)
    def odd(v: np.ndarray) -> np.ndarray:
        calls.append(v.tolist())
        return v[::2]

    graph = frozen(odd(x) * 2, odd(x).shape[0])
    assert run(graph, [1.0, 2.0, 3.0]) == [[2.0, 6.0], 2]
    assert len(calls) == 1
    assert run(graph, [1.0, 2.0]) == [[2.0], 1]
    assert len(calls) == 2


def test_several_outputs_and_numbers_written_as_such() -> None:
    values, count = Positive()(x)
    f = sg.function([x], [values, count], mode=REFERENCE)
    assert [v.tolist() for v in f([1.0, -1.0, 2.0])] == [[1.0, 2.0], 2]
    assert run(frozen(values, count + 1), [1.0, -1.0]) == [[1.0], 2]


def test_what_is_thrown_away_or_lost_is_computed_again() -> None:
    from symgraph.extend import perform

    graph = frozen(Positive()(x)[0])
    (first,) = (n for n in graph.applies() if n.op.name == "perform_first")
    (then,) = (n for n in graph.applies() if n.op.name == "perform")
    given = np.array([1.0, -1.0])
    *extents, ticket = first.op.reference(given)
    assert len(perform._kept()) == 1
    for _ in range(2):
        assert then.op.reference(given, *extents, ticket)[0].tolist() == [1.0]
        assert len(perform._kept()) == 0


def test_destroy_map_gets_copies() -> None:
    class Filled(Scaled):
        destroy_map = {0: [0]}
        view_map = {0: [0]}

        def perform(self, node: Any, inputs: Any, output_storage: Storage) -> None:
            inputs[0][:] = 7
            output_storage[0][0] = inputs[0]

    given = np.array([1.0, 2.0])
    f = sg.function([x], [Filled()(x), x + 0], mode=REFERENCE)
    assert [v.tolist() for v in f(given)] == [[7, 7], [1, 2]]
    assert given.tolist() == [1, 2]


def test_default_output_is_what_a_call_gives() -> None:
    class First(Positive):
        default_output = 0

    assert First()(x).type.ndim == 1
    assert len(First()(x, return_list=True)) == 2


def test_copies_of_ops_keep_their_attributes() -> None:
    op = Scaled(7.0)
    op.note = "mine"  # type: ignore[attr-defined]
    for copied in (copy.deepcopy(op), copy.copy(op), pickle.loads(pickle.dumps(op))):
        assert copied == op
        assert copied.note == "mine"
    out = copy.deepcopy(op(x) + 1)
    assert str(out.owner.inputs[0].owner.op) == "Scaled{k=7.0}"


def test_rows_of_a_jacobian() -> None:
    for out in (Scaled(3.0)(x) ** 2, sg.OpFromGraph([y], [y**2 * 9])(x)):
        f = sg.function([x], sg.jacobian(out, x))
        np.testing.assert_allclose(f([1.0, 2.0]), np.diag([18.0, 36.0]))


def test_attributes_and_annotations_of_a_class_are_its_own() -> None:
    class Free(Scaled):
        axis: int = 3

        def __init__(self) -> None:
            super().__init__(4.0)
            self.more = [1, 2]

    assert float(Free()(x).sum().owner is not None)
    assert Free().axis == 3


def test_an_op_in_a_branch_and_in_a_loop() -> None:
    c = T.bscalar("c")
    f = sg.function([c, x], sg.ifelse(c, Scaled(2.0)(x), x), mode=REFERENCE)
    assert f(1, [1.0]).tolist() == [2.0]
    rows, _ = sg.scan(lambda v: Scaled(2.0)(v), sequences=[x])
    assert sg.function([x], rows, mode=REFERENCE)([1.0, 2.0]).tolist() == [2.0, 4.0]


# --- derivatives ---------------------------------------------------------------------


def test_r_op_is_what_rop_uses() -> None:
    class Square(Scaled):
        def perform(self, node: Any, inputs: Any, output_storage: Storage) -> None:
            output_storage[0][0] = inputs[0] ** 2

        def grad(self, inputs: Any, output_gradients: Any) -> Any:
            return [NoGradient()(2 * inputs[0] * output_gradients[0])]

        def R_op(self, inputs: Any, eval_points: Any) -> Any:
            return [2 * inputs[0] * eval_points[0]]

    class NoGradient(Scaled):
        def perform(self, node: Any, inputs: Any, output_storage: Storage) -> None:
            output_storage[0][0] = inputs[0].copy()

        def grad(self, inputs: Any, output_gradients: Any) -> Any:
            raise GradientError("nobody has written it")

    pushed = sg.function([x, y], sg.Rop(T.exp(Square()(x)), x, y), mode=REFERENCE)
    np.testing.assert_allclose(
        pushed([1.0, 0.5], [1.0, 10.0]), [2 * np.e, 10 * np.exp(0.25)]
    )
    assert sg.function([x], sg.grad(Square()(x).sum(), x), mode=REFERENCE)(
        [3.0]
    ).tolist() == [6.0]
    with pytest.raises(GradientError, match="nobody"):
        sg.grad(sg.grad(Square()(x).sum(), x).sum(), x)


def test_r_op_of_several_inputs_gets_none_for_what_does_not_move() -> None:
    class Product(sg.Op):
        __props__ = ()
        itypes = [T.dvector, T.dvector]
        otypes = [T.dvector]

        def perform(self, node: Any, inputs: Any, output_storage: Storage) -> None:
            output_storage[0][0] = inputs[0] * inputs[1]

        def infer_shape(self, node: Any, shapes: Any) -> Any:
            return [shapes[0]]

        def grad(self, inputs: Any, output_gradients: Any) -> Any:
            a, b = inputs
            return [b * output_gradients[0], a * output_gradients[0]]

        def R_op(self, inputs: Any, eval_points: Any) -> Any:
            a, b = inputs
            da, db = eval_points
            parts = [da * b] if da is not None else []
            return [sum(parts + ([a * db] if db is not None else []))]

    v = T.dvector("v")
    pushed = sg.Rop(Product()(x, y), x, v)
    f = sg.function([x, y, v], pushed, mode=REFERENCE, on_unused_input="ignore")
    assert f([1.0], [3.0], [10.0]).tolist() == [30.0]


def test_l_op_gets_the_outputs_and_zeros_for_those_nobody_uses() -> None:
    seen = []

    class Pair(sg.Op):
        itypes = [T.dvector]
        otypes = [T.dvector, T.dvector]

        def perform(self, node: Any, inputs: Any, output_storage: Storage) -> None:
            for cell, factor in zip(output_storage, (2, 3), strict=True):
                cell[0] = inputs[0] * factor

        def infer_shape(self, node: Any, shapes: Any) -> Any:
            return [shapes[0], shapes[0]]

        def L_op(self, inputs: Any, outputs: Any, output_gradients: Any) -> Any:
            seen.extend(outputs)
            return [2 * output_gradients[0] + 3 * output_gradients[1]]

    _, second = Pair()(x)
    f = sg.function([x], sg.grad(second.sum(), x), mode=REFERENCE)
    assert f([1.0, 2.0]).tolist() == [3.0, 3.0]
    assert seen[1] is second


def test_verify_grad_finds_wrong_gradients_of_the_user() -> None:
    class Wrong(Scaled):
        def grad(self, inputs: Any, output_gradients: Any) -> Any:
            return [Scaled(self.k + 0.01)(output_gradients[0])]

    graph_op = sg.OpFromGraph([x], [x**2], grad_overrides=lambda i, g: [i[0] * g[0]])
    scalar_op = sg.elemwise_op(lambda a: a * a, grad=lambda g, out, a: g * a * 2.01)
    for wrong in (Wrong(2.0), graph_op, scalar_op):
        with pytest.raises(VerifyGradError):
            sg.verify_grad(wrong, [np.array([0.5, -1.0])], mode=REFERENCE)


def test_connection_pattern_cuts_the_flow() -> None:
    class Cut(Scaled):
        def connection_pattern(self, node: Any) -> Any:
            return [[False]]

    with pytest.raises(DisconnectedInputError):
        sg.grad(Cut()(x).sum(), x)


def test_disconnected_and_undefined_gradients() -> None:
    nothing = Written(0.0, [DisconnectedType()()])
    with pytest.raises(DisconnectedInputError):
        sg.grad(nothing(x).sum(), x)
    missing = Written(0.0)
    missing.gradients = [grad_not_implemented(missing, 0, x, "Too hard.")]
    with pytest.raises(GradientError, match=r"Written.*not implemented. Too hard"):
        sg.grad(missing(x).sum(), x)
    missing.gradients = [grad_undefined(missing, 0, x)]
    with pytest.raises(GradientError, match="input 0 is undefined"):
        sg.grad(missing(x).sum(), x)


@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        (
            [x, x],
            r"Written.grad \(.*test_op.py:\d+\) returned 2 gradients for 1 inputs",
        ),
        ([T.dmatrix("m")], "input 0 has 2 axes, the input 1"),
        ([T.lvector("n")], "dtype int64, the input float64"),
        ([T.zvector("z")], "dtype complex128, the input float64"),
        (["text"], "cannot become a variable"),
    ],
)
def test_a_wrong_gradient_is_refused_where_it_is_asked(
    gradients: Any, message: str
) -> None:
    with pytest.raises(GradientError, match=message) as caught:
        sg.grad(Written(0.0, gradients)(x).sum(), x)
    assert "applied at" in str(caught.value)
    assert "x : float64 (None,)" in str(caught.value)


def test_a_gradient_with_known_wrong_extents_is_refused() -> None:
    known = T.tensor("float64", (3,))
    with pytest.raises(GradientError, match="extent 2 of axis 0, the input 3"):
        sg.grad(Written(0.0, [T.tensor("float64", (2,))])(known).sum(), known)


def test_a_gradient_whose_shape_is_wrong_only_at_run_time() -> None:
    cost = Written(np.zeros(3), [T.concatenate([x, x])])(x).sum()
    f = sg.function([x], sg.grad(cost, x), mode=REFERENCE)
    with pytest.raises(GradientError, match=r"Written: gradient of input 0.*\(6,\)"):
        f([1.0, 2.0, 3.0])
    compiled = sg.function([x], sg.grad(cost, x))
    with pytest.raises(ShapeError, match=r"Written: gradient of input 0.*6 and 3"):
        compiled([1.0, 2.0, 3.0])


def test_a_float_gradient_of_another_precision_is_cast() -> None:
    single = T.fvector("single")
    dx = sg.grad(Written(0.0, [T.cast(single, "float64")])(single).sum(), single)
    assert dx.type.dtype == "float32"


# --- broken promises -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "did not write output 0"),
        (np.zeros(3, "float32"), "dtype float32, make_node says float64"),
        (np.zeros((3, 1)), "2 axes, make_node says 1"),
        ("text", "dtype str"),
        ([[1.0], [1.0, 2.0]], "no array"),
    ],
)
def test_perform_that_writes_something_else_is_told(value: Any, message: str) -> None:
    f = sg.function([x], Written(value)(x), mode=REFERENCE, on_unused_input="ignore")
    with pytest.raises(UserOpError, match=message):
        f([1.0, 2.0])


def test_the_message_names_op_method_output_and_line() -> None:
    f = sg.function([x], Written(np.zeros((3, 1)))(x), mode=REFERENCE)
    with pytest.raises(UserOpError) as caught:
        f([1.0])
    text = str(caught.value)
    assert "Written.perform" in text
    assert "output 0" in text
    assert text.count("test_op.py:") == 3  # the method, the application, the variable


def test_perform_and_infer_shape_that_disagree() -> None:
    graph = frozen(Written(np.zeros(2), shape=[(3,)])(x))
    with pytest.raises(UserOpError, match="extent 2 of axis 0, told was 3"):
        run(graph, [1.0])
    graph = frozen(Written(np.zeros(2))(x))
    with pytest.raises(UserOpError, match="extent 2 of axis 0, infer_shape told 1"):
        run(graph, [1.0])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([], "returned 0 shapes for 1 outputs"),
        ([(1, 2)], "returned 2 extents for output 0, which has 1 axes"),
        ([(1.5,)], "float64"),
        ([("n",)], "extent 'n'"),
        (None, "returned"),
    ],
)
def test_a_wrong_infer_shape_is_told(shape: Any, message: str) -> None:
    op = Written(0.0, shape=shape)
    if shape is None:
        op.infer_shape = lambda node, shapes: None  # type: ignore[method-assign]
    with pytest.raises(UserOpError, match=message):
        frozen(op(x))


def test_an_exception_in_perform_reaches_the_caller_with_the_place() -> None:
    class Failing(Scaled):
        def perform(self, node: Any, inputs: Any, output_storage: Storage) -> None:
            raise ZeroDivisionError("mine")

    f = sg.function([x], Failing()(x), mode=REFERENCE)
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        f([1.0])
    assert "in perform of Failing{k=2.0}, applied at" in caught.value.__notes__[0]


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(DtypeError, match="input 0 has dtype int32, expected float64"):
        Positive()(T.ivector("i"))
    with pytest.raises(ShapeError, match=r"type float64 \(None, None\), expected"):
        Positive()(T.dmatrix("m"))
    with pytest.raises(ArgumentError, match="takes 1 inputs, 2 are given"):
        Positive()(x, x)


def test_incomplete_ops_are_told() -> None:
    class Nothing(sg.Op):
        pass

    class NoPerform(sg.Op):
        itypes = otypes = [T.dvector]

    class NoApply(sg.Op):
        def make_node(self, v: Any) -> Any:
            return v

    class NoType(sg.Op):
        itypes = otypes = ["dvector"]

    with pytest.raises(UserOpError, match="Nothing defines no make_node"):
        Nothing()(x)
    with pytest.raises(NotSupportedError, match="NoPerform defines no perform; C code"):
        sg.function([x], NoPerform()(x))
    with pytest.raises(UserOpError, match=r"make_node [(].*\sReturn Apply"):
        NoApply()(x)
    with pytest.raises(ArgumentError, match="'dvector' is no type"):
        NoType()(x)
    with pytest.raises(GradientError, match="neither grad nor L_op"):
        sg.grad(NoPerform()(x).sum(), x)


def test_an_output_must_be_a_new_variable() -> None:
    class Same(Scaled):
        def make_node(self, v: Any) -> sg.Apply:
            return sg.Apply(self, [v], [v * 2])

    with pytest.raises(GraphError, match="an output must be a new variable"):
        Same()(x)
