"""Arguments of `function`: inputs, outputs, updates, givens, policies."""

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import (
    ArgumentError,
    ConversionError,
    GivensError,
    InputError,
    MissingInputError,
    NaNError,
    SymgraphWarning,
    UnusedInputError,
    UpdateError,
)

MODES = ["FAST_RUN", "FAST_COMPILE", "DEBUG"]


# --- outputs --------------------------------------------------------------------------


def test_one_output_comes_as_array_a_list_as_list_a_dict_as_dict_none_as_none() -> None:
    x = T.dscalar("x")
    assert float(sg.function([x], x + 1)(2.0)) == 3.0
    assert [float(a) for a in sg.function([x], [x + 1, x])(2.0)] == [3.0, 2.0]
    assert [float(a) for a in sg.function([x], [x])(2.0)] == [2.0]
    made = sg.function([x], {"b": x + 1, "a": x})(2.0)
    assert {k: float(v) for k, v in made.items()} == {"a": 2.0, "b": 3.0}
    w = sg.shared(0.0)
    assert sg.function([x], updates=[(w, w + x)])(2.0) is None
    assert float(w.get_value()) == 2.0
    assert sg.function([x], [], on_unused_input="ignore")(2.0) == []


def test_constants_inputs_and_shared_variables_are_outputs_too() -> None:
    x, w = T.dvector("x"), sg.shared(np.arange(3.0))
    f = sg.function([x], [x, w, T.constant(2.5), 7])
    given = np.array([1.0, 2.0])
    got = f(given)
    assert [a.tolist() for a in got] == [[1.0, 2.0], [0.0, 1.0, 2.0], 2.5, 7]
    got[0][0] = 99.0
    got[1][0] = 99.0
    assert given[0] == 1.0
    assert w.get_value()[0] == 0.0


def test_the_same_output_twice_gives_two_arrays() -> None:
    x = T.dvector("x")
    y = x * 2
    a, b = sg.function([x], [y, y])(np.ones(3))
    a[0] = 5.0
    assert b[0] == 2.0


def test_results_are_fresh_arrays_at_every_call() -> None:
    x = T.dvector("x")
    f = sg.function([x], x * 2)
    first = f(np.ones(3))
    second = f(np.zeros(3))
    assert first.tolist() == [2.0] * 3
    assert second.tolist() == [0.0] * 3


# --- inputs ---------------------------------------------------------------------------


def test_default_values_make_inputs_optional() -> None:
    x, y = T.dscalars("x", "y")
    for entries in ([x, sg.In(y, value=2.0)], [x, (y, 2.0)]):
        f = sg.function(entries, x * y)
        assert float(f(3.0)) == 6.0
        assert float(f(3.0, 5.0)) == 15.0
        assert float(f(3.0, y=4.0)) == 12.0


def test_names_of_inputs_are_keywords() -> None:
    x, y = T.dscalars("x", "y")
    f = sg.function([x, sg.In(y, name="scale")], x - y)
    assert float(f(x=3.0, scale=1.0)) == 2.0
    assert float(f(3.0, scale=1.0)) == 2.0


def test_an_input_with_an_update_keeps_state() -> None:
    x, y = T.dscalars("x", "y")
    f = sg.function([x, sg.In(y, value=1.0, update=y + x)], y)
    assert [float(f(2.0)) for _ in range(3)] == [1.0, 3.0, 5.0]


@pytest.mark.parametrize("mode", MODES)
def test_inner_variables_can_be_inputs(mode: str) -> None:
    x = T.dscalar("x")
    y = x * 2
    f = sg.function([y], y + 1, mode=mode)
    assert float(f(5.0)) == 6.0


def test_an_unused_input_raises_warns_or_is_ignored() -> None:
    x, y = T.dscalars("x", "y")
    with pytest.raises(UnusedInputError, match="y : float64"):
        sg.function([x, y], x)
    with pytest.warns(SymgraphWarning, match="y : float64"):
        f = sg.function([x, y], x, on_unused_input="warn")
    assert float(f(1.0, 2.0)) == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sg.function([x, y], x, on_unused_input="ignore")
    with sg.config.override(on_unused_input="ignore"):
        sg.function([x, y], x)


def test_downcast_of_inputs_is_asked_for() -> None:
    x = T.fvector("x")
    array = np.array([0.1, 0.2])
    with pytest.raises(InputError, match="lose"):
        sg.function([x], x)(array)
    f = sg.function([x], x, allow_input_downcast=True)
    assert f(array).dtype == np.float32
    g = sg.function([sg.In(x, allow_downcast=True)], x)
    assert g(array).dtype == np.float32
    i = T.ivector("i")
    assert sg.function([i], i, allow_input_downcast=True)(np.array([2.7])).tolist() == [
        2
    ]


def test_python_numbers_go_in_where_they_fit() -> None:
    f = sg.function([v := T.fscalar("v")], v)
    assert f(0.1) == np.float32(0.1)
    b = T.bscalar("b")
    g = sg.function([b], b)
    assert int(g(5)) == 5
    with pytest.raises(InputError, match="b : int8"):
        g(300)
    with pytest.raises(InputError, match="b : int8"):
        g(0.5)


def test_lists_of_python_floats_round_like_single_ones() -> None:
    f = sg.function([v := T.fvector("v")], v * 2)
    assert f([0.1, 0.3]).tolist() == (np.float32([0.1, 0.3]) * 2).tolist()
    assert f([np.inf, 1]).tolist() == [np.inf, 2.0]
    assert f([]).shape == (0,)
    w = sg.shared(np.float32([1.0]))
    w.set_value([0.1])
    assert w.get_value()[0] == np.float32(0.1)
    for refused in ([1e300], [2**24 + 1], np.array([0.1])):
        with pytest.raises(InputError, match="lose"):
            f(refused)
        with pytest.raises(InputError, match="los"):
            w.set_value(refused)


def _unpickled(array: np.ndarray) -> np.ndarray:
    made: np.ndarray = pickle.loads(pickle.dumps(array))
    return made


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
def test_a_dtype_object_that_is_only_equal_to_numpys(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    x = T.matrix("x", dtype)
    f, g = sg.function([x], x.T), sg.function([x], [x, x[0]])
    tagged = array.astype(np.dtype(dtype, metadata={"unit": "m"}))
    for given in (array, _unpickled(array), tagged, _unpickled(array)[:, ::-1]):
        assert (f(given) == given.T).all()
        assert (f(given) == given.T).all()  # by the native entry, or again around it
        assert (g(given)[1] == given[0]).all()
    assert f(_unpickled(array)).dtype is np.dtype(dtype)


@pytest.mark.parametrize("name", ["longlong", "ulonglong", "<i8", ">i8", "intp"])
def test_integers_of_64_bits_by_any_name(name: str) -> None:
    array = np.arange(3).astype(name)
    x = T.vector("x", "uint64" if name[0] == "u" else "int64")
    f = sg.function([x], x * x)
    assert f(array).tolist() == f(array).tolist() == [0, 1, 4]
    w = sg.shared(array)
    assert sg.function([], w + w)().tolist() == [0, 2, 4]
    w.set_value(array, borrow=True)
    assert sg.function([], w + w)().tolist() == [0, 2, 4]
    assert T.constant(array).eval().tolist() == [0, 1, 2]


def test_unpickled_arrays_in_epochs_defaults_and_updates() -> None:
    x, y = T.dmatrix("x"), T.dscalar("y")
    w = sg.shared(_unpickled(np.zeros(2)))
    f = sg.function([x, sg.In(y, value=_unpickled(np.array(2.0)))], updates=[
        (w, w + x.sum(axis=0) * y)
    ])  # fmt: skip
    f.epoch(_unpickled(np.ones((5, 2))), batch_size=2)
    f(_unpickled(np.ones((1, 2))))
    assert w.get_value().tolist() == [12.0, 12.0]


def test_masked_arrays_are_refused_unless_nothing_is_masked() -> None:
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    full = np.ma.array([1.0, 2.0])
    x, w = T.dvector("x"), sg.shared(np.zeros(2))
    f = sg.function([x], x + 1)
    attempts: list[tuple[Any, type[Exception]]] = [
        (f, InputError),
        (w.set_value, ConversionError),
        (sg.shared, ConversionError),
        (T.constant, ConversionError),
        (lambda value: x + value, ConversionError),
        (lambda value: T.set_subtensor(x[:2], value), ConversionError),
    ]
    for attempt, error in attempts:
        attempt(full)
        with pytest.raises(error, match="masked"):
            attempt(masked)


# --- updates --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_variable_and_its_clone_are_one_storage(mode: str) -> None:
    w = sg.shared(np.arange(3.0), "w")
    c = w.clone()
    with pytest.raises(UpdateError, match="clone"):
        sg.function([], [], updates=[(w, w + 1), (c, c * 2)], mode=mode)
    f = sg.function([], [c * 3, w], updates=[(w, w + c[::-1])], mode=mode)
    first, second = f()
    assert first.tolist() == [0, 3, 6]
    assert second.tolist() == [0, 1, 2]
    assert c.get_value().tolist() == [2, 2, 2]
    w.default_update = w + 1
    g = sg.function([], w * 3, updates=[(c, c * 0 + 5)], mode=mode)
    assert g().tolist() == [6, 6, 6]
    assert w.get_value().tolist() == [5, 5, 5]
    h = sg.function([], c + w, mode=mode)
    assert h().tolist() == [10, 10, 10]
    assert w.get_value().tolist() == [6, 6, 6]


@pytest.mark.parametrize("mode", MODES)
def test_updates_are_all_made_from_old_values(mode: str) -> None:
    a, b = sg.shared(np.array([1.0, 2.0])), sg.shared(np.array([3.0, 4.0]))
    f = sg.function([], [a, b], updates=[(a, b), (b, a)], mode=mode)
    first = f()
    assert [v.tolist() for v in first] == [[1.0, 2.0], [3.0, 4.0]]
    assert a.get_value().tolist() == [3.0, 4.0]
    assert b.get_value().tolist() == [1.0, 2.0]
    f()
    assert a.get_value().tolist() == [1.0, 2.0]


@pytest.mark.parametrize("mode", MODES)
def test_a_cycle_of_three_updates(mode: str) -> None:
    w = [sg.shared(np.full(5, float(k))) for k in range(3)]
    f = sg.function(
        [],
        updates={w[0]: w[1] * 2, w[1]: w[2] + w[0], w[2]: w[0][::-1] - w[2]},
        mode=mode,
    )
    values = [np.full(5, float(k)) for k in range(3)]
    for _ in range(4):
        f()
        a, b, c = values
        values = [b * 2, c + a, a[::-1] - c]
        for shared, value in zip(w, values, strict=True):
            np.testing.assert_allclose(shared.get_value(), value)


@pytest.mark.parametrize("mode", MODES)
def test_one_value_is_output_and_update_of_two_variables(mode: str) -> None:
    x = T.dvector("x")
    a, b = sg.shared(np.zeros(3)), sg.shared(np.ones(3))
    new = a + x * b
    f = sg.function([x], new, updates=[(a, new), (b, new)], mode=mode)
    assert f(np.arange(3.0)).tolist() == [0.0, 1.0, 2.0]
    assert a.get_value().tolist() == b.get_value().tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("mode", MODES)
def test_an_output_reads_the_old_value_however_it_is_sliced(mode: str) -> None:
    w = sg.shared(np.arange(6.0).reshape(2, 3))
    outputs = [w, w.T, w[::-1], w[0], w.sum(axis=0), w.flatten(), w[:, 1:]]
    f = sg.function([], outputs, updates=[(w, w[::-1, ::-1] * 2 + w.sum())], mode=mode)
    value = np.arange(6.0).reshape(2, 3)
    for _ in range(3):
        got = f()
        wanted = [value, value.T, value[::-1], value[0], value.sum(0), value.ravel(),
                  value[:, 1:]]  # fmt: skip
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_allclose(a, b)
        value = value[::-1, ::-1] * 2 + value.sum()
        np.testing.assert_allclose(w.get_value(), value)


def test_an_update_by_a_product_of_the_old_value_with_itself() -> None:
    w = sg.shared(np.array([[1.0, 1.0], [0.0, 1.0]]))
    f = sg.function([], w, updates=[(w, T.dot(w, w))])
    f()
    f()
    assert w.get_value().tolist() == [[1.0, 4.0], [0.0, 1.0]]
    v = sg.shared(np.array([[1.0, 2.0], [3.0, 4.0]]))
    g = sg.function([], updates=[(v, v - 0.5 * T.dot(v.T, v))])
    value = v.get_value()
    g()
    np.testing.assert_allclose(v.get_value(), value - 0.5 * value.T @ value)


@pytest.mark.parametrize("mode", MODES)
def test_an_update_may_change_the_shape(mode: str) -> None:
    w = sg.shared(np.ones(2))
    f = sg.function([], w.sum(), updates=[(w, T.concatenate([w, w]))], mode=mode)
    assert [float(f()) for _ in range(4)] == [2.0, 4.0, 8.0, 16.0]
    assert w.get_value().shape == (32,)


@pytest.mark.parametrize("mode", MODES)
def test_a_shared_variable_may_get_a_value_of_another_shape(mode: str) -> None:
    w = sg.shared(np.ones((2, 3)))
    f = sg.function([], [w * 2, w.sum()], updates=[(w, w + 1)], mode=mode)
    assert float(f()[1]) == 6.0
    w.set_value(np.zeros((4, 1)))
    assert f()[0].shape == (4, 1)
    assert w.get_value().tolist() == [[1.0]] * 4
    w.set_value(np.zeros((2, 3)))
    assert float(f()[1]) == 0.0
    w.set_value(np.ones((0, 3)))
    assert f()[0].shape == (0, 3)


def test_default_updates_are_made_unless_excluded() -> None:
    count = sg.shared(0, name="count")
    count.default_update = count + 1
    x = T.lscalar("x")
    assert int(sg.function([x], x + count)(1)) == 1
    assert int(count.get_value()) == 1
    sg.function([x], x + count, no_default_updates=True)(1)
    sg.function([x], x + count, no_default_updates=[count])(1)
    assert int(count.get_value()) == 1
    sg.function([x], x + count, updates=[(count, count + 10)])(1)
    assert int(count.get_value()) == 11


def test_default_updates_of_what_updates_read_are_made_too() -> None:
    tick = sg.shared(0)
    tick.default_update = tick + 1
    w = sg.shared(0)
    f = sg.function([], updates=[(w, w + tick)])
    f()
    f()
    assert (int(w.get_value()), int(tick.get_value())) == (1, 2)


def test_updates_of_a_lower_dtype_are_cast_and_of_a_higher_refused() -> None:
    w = sg.shared(np.zeros(2))
    sg.function([], updates=[(w, T.arange(2))])()
    assert w.get_value().tolist() == [0.0, 1.0]
    v = sg.shared(np.zeros(2, "float32"), name="v")
    with pytest.raises(UpdateError, match="float64"):
        sg.function([], updates=[(v, v + np.ones(2))])


# --- givens ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_givens_replace_inputs_and_inner_variables(mode: str) -> None:
    x, y = T.dvectors("x", "y")
    z = x * 2
    f = sg.function([y], z + 1, givens=[(x, y + 1)], mode=mode)
    assert f([1.0, 2.0]).tolist() == [5.0, 7.0]
    g = sg.function([x], (z + x).sum(), givens={z: x - 1}, mode=mode)
    assert float(g([1.0, 2.0])) == 4.0
    w = sg.shared(np.array([5.0]))
    h = sg.function([], z, givens={x: w}, mode=mode)
    assert h().tolist() == [10.0]
    k = sg.function([], z, givens={x: np.array([4.0])}, mode=mode)
    assert k().tolist() == [8.0]


def test_givens_in_a_chain_are_carried_through() -> None:
    a, b, c, d = T.dscalars("a", "b", "c", "d")
    f = sg.function([d], a, givens=[(a, b * 2), (b, c + 1), (c, d * 10)])
    assert float(f(3.0)) == 62.0
    g = sg.function([d], a, givens=[(c, d * 10), (b, c + 1), (a, b * 2)])
    assert float(g(3.0)) == 62.0


def test_a_given_that_contains_what_it_replaces_is_a_cycle() -> None:
    x, y = T.dscalars("x", "y")
    with pytest.raises(GivensError, match="cycle"):
        sg.function([x, y], x + y, givens=[(x, y), (y, x + 1)])


def test_givens_apply_to_updates() -> None:
    x, w = T.dscalar("x"), sg.shared(1.0)
    sg.function([], updates=[(w, w + x)], givens={x: T.constant(4.0)})()
    assert float(w.get_value()) == 5.0


# --- mistakes -------------------------------------------------------------------------


def test_calls_with_wrong_arguments_are_refused() -> None:
    x, y = T.dscalars("x", "y")
    f = sg.function([x, y], x + y)
    for args, kwargs, error in [
        ((1.0,), {}, MissingInputError),
        ((1.0, 2.0, 3.0), {}, InputError),
        ((1.0,), {"x": 2.0}, InputError),
        ((1.0, 2.0), {"z": 2.0}, InputError),
        ((1.0, [1.0]), {}, InputError),
        ((1.0, x), {}, InputError),
        ((1.0, "a"), {}, InputError),
        ((1.0, None), {}, InputError),
    ]:
        with pytest.raises(error):
            f(*args, **kwargs)
    assert float(f(1.0, 2.0)) == 3.0


def test_wrong_arguments_of_function_are_refused() -> None:
    x, y = T.dscalars("x", "y")
    w = sg.shared(0.0)
    for make, error in [
        (lambda: sg.function(x, x), ArgumentError),
        (lambda: sg.function([x, x], x), ArgumentError),
        (lambda: sg.function([1], x), ArgumentError),
        (lambda: sg.function([x], x + y), MissingInputError),
        (lambda: sg.function([x], {1: x}), ArgumentError),
        (lambda: sg.function([x], x, updates=3), ArgumentError),
        (lambda: sg.function([x], x, updates=[(y, x)]), UpdateError),
        (lambda: sg.function([x], x, updates=[(w, x), (w, x)]), UpdateError),
        (lambda: sg.function([x], x, givens=[(1, x)]), GivensError),
        (lambda: sg.function([x], x, on_unused_input="maybe"), ArgumentError),
        (lambda: sg.In(w), ArgumentError),
    ]:
        with pytest.raises(error):
            make()


def test_eval_follows_the_settings_of_its_call() -> None:
    """What `eval` keeps for the next call is kept for its settings."""
    x = T.dvector("x")
    y = T.log(x).sum()
    assert y.eval({x: [1.0, 1.0]}) == 0
    for mode in ("FAST_COMPILE", "DEBUG", "FAST_RUN"):
        with sg.config.override(mode=mode):
            assert y.eval({x: [1.0, 1.0]}) == 0
            assert any(kept.mode.name == mode for kept in vars(y)["_compiled"].values())
    with sg.config.override(mode="DEBUG"), pytest.raises(NaNError):
        y.eval({x: [-1.0, 1.0]})
    assert np.isnan(y.eval({x: [-1.0, 1.0]}))
    count = len(vars(y)["_compiled"])
    y.eval({x: [2.0, 1.0]})
    assert len(vars(y)["_compiled"]) == count
