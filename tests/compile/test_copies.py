"""pickle, copy and deepcopy of what users hold, in this process or another."""

import copy
import importlib.util
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.core.copies import ordered
from symgraph.core.traverse import applies, leaves
from symgraph.ops.random import RandomStreams
from tests.train.test_saved_layers import MAKERS

L = nn.layers
X = np.random.default_rng(0).normal(size=(4, 3))


def pickled(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


def pickled_in_python(thing: Any) -> Any:
    return pickle.loads(pickle._dumps(thing))  # type: ignore[attr-defined]


def pickled_in_an_old_way(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing, 0))


COPIERS = [pickled, pickled_in_python, pickled_in_an_old_way, copy.deepcopy]


def others() -> list[Callable[[Any], Any]]:
    """Packages that pickle in ways of their own, where they are installed."""
    found: list[Callable[[Any], Any]] = []
    if importlib.util.find_spec("cloudpickle"):
        import cloudpickle

        found.append(lambda thing: pickle.loads(cloudpickle.dumps(thing)))
    if importlib.util.find_spec("joblib"):
        import io

        import joblib

        def through_a_file(thing: Any) -> Any:
            file = io.BytesIO()
            joblib.dump(thing, file)
            return joblib.load(file)

        found.append(through_a_file)
    return found


def training() -> tuple[Any, Any]:
    x, w = T.dmatrix("x"), sg.shared(np.full((3, 2), 0.5), name="w")
    loss = (T.tanh(T.dot(x, w)) ** 2).sum()
    step = sg.function(
        [x], {"loss": loss, "w": w}, updates=[(w, w - 0.1 * sg.grad(loss, w))],
        name="step",
    )  # fmt: skip
    return step, w


@pytest.mark.parametrize("copied", COPIERS)
def test_a_compiled_function_goes_on_with_values_of_its_own(copied: Any) -> None:
    step, w = training()
    step(X)
    other = copied(step)
    assert repr(other) == repr(step)
    np.testing.assert_array_equal(other(X)["w"], step(X)["w"])
    step(X)
    ahead = step(X)["loss"]
    assert other(X)["loss"] > ahead
    assert other.request.shared[0] is not w


def test_a_shallow_copy_of_a_function_shares_its_values() -> None:
    step, w = training()
    other = copy.copy(step)
    assert other is not step
    assert other.request.shared[0] is w
    before = w.get_value()
    other(X)
    assert (w.get_value() != before).any()


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DEBUG"])
def test_modes_and_forms_travel(mode: str) -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    f = sg.function([x, sg.In(n, value=2)], [x * n, x.sum()], mode=mode, name="f")
    other = pickled(f)
    assert other.mode == f.mode
    for a, b in zip(other([1.0, 2.0]), f([1.0, 2.0]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("copied", COPIERS)
def test_expressions_keep_what_they_share(copied: Any) -> None:
    x = T.dmatrix("x")
    x.tag.note = "mine"
    w = sg.shared(X, name="w")
    y = T.exp(x + w)
    y.name = "y"
    a, b, v, leaf = copied([y * 2, y + x, w, x])
    assert a.owner.inputs[0].owner is b.owner.inputs[0].owner
    assert a.owner.inputs[0] is b.owner.inputs[0]
    assert set(leaves([a, b])) >= {v, leaf}
    assert (leaf.tag.note, leaf.place, leaf.type) == ("mine", x.place, x.type)
    assert a.owner.inputs[0].name == "y"
    assert b.owner.inputs[0].place == y.place
    np.testing.assert_array_equal(a.eval({leaf: X}), (y * 2).eval({x: X}))


@pytest.mark.parametrize("copied", [pickled, pickled_in_python, copy.deepcopy])
def test_deep_graphs_do_not_meet_the_recursion_limit(copied: Any) -> None:
    x = T.dscalar("x")
    y = x
    for _ in range(1500):
        y = T.sin(y + x)
    again = copied({"y": y, "also": y.owner, "x": x})
    assert len(applies([again["y"]])) == len(applies([y]))
    assert again["y"].owner is again["also"]
    assert leaves([again["y"]]) == [again["x"]]


@pytest.mark.parametrize("copied", [pickled, copy.deepcopy])
def test_five_hundred_layers(copied: Any) -> None:
    layer = L.InputLayer((None, 3))
    for _ in range(500):
        layer = L.DenseLayer(layer, 3)
    again = copied(layer)
    assert len(L.get_all_layers(again)) == 501
    np.testing.assert_array_equal(again.W.get_value(), layer.W.get_value())


@pytest.mark.parametrize("kind", MAKERS)
def test_every_layer_gives_the_same(kind: str) -> None:
    rank, make = MAKERS[kind]
    incoming = L.InputLayer((None, 4, *(6, 7, 4)[:rank]))
    layer = make(incoming)
    again = pickled(layer)
    assert again.output_shape == layer.output_shape
    assert [p.name for p in again.get_params()] == [p.name for p in layer.get_params()]
    for p, q in zip(layer.get_params(), again.get_params(), strict=True):
        np.testing.assert_array_equal(p.get_value(), q.get_value())
    assert list(again.params.values()) == list(layer.params.values())
    assert L.get_output(again).type == L.get_output(layer).type


def test_a_network_copied_for_early_stopping_trains_on_by_itself() -> None:
    x, y = T.dmatrix("x"), T.ivector("y")
    network = L.DenseLayer(
        L.DropoutLayer(L.DenseLayer(L.InputLayer((None, 3), x), 5)), 2,
        nonlinearity=nn.nonlinearities.softmax,
    )  # fmt: skip

    def steps(net: Any) -> Any:
        given = L.get_all_layers(net)[0].input_var
        loss = nn.objectives.categorical_crossentropy(
            L.get_output(net, deterministic=True), y
        ).mean()
        params = L.get_all_params(net, trainable=True)
        return sg.function([given, y], loss, updates=nn.updates.adam(loss, params))

    labels = np.array([0, 1, 1, 0], np.int32)
    step = steps(network)
    step(X, labels)
    best = copy.deepcopy(network)
    kept = [v.copy() for v in L.get_all_param_values(best)]
    for _ in range(5):
        step(X, labels)
    for before, after in zip(kept, L.get_all_param_values(best), strict=True):
        np.testing.assert_array_equal(before, after)
    first = steps(best)(X, labels)
    assert step(X, labels) < first
    assert any(
        (a != b).any() for a, b in zip(kept, L.get_all_param_values(best), strict=True)
    )


def test_random_streams_go_on_alike() -> None:
    streams = RandomStreams(3)
    noise = streams.normal((4,))
    f = sg.function([], noise)
    f()
    other, g = pickled((streams, f))
    np.testing.assert_array_equal(g(), f())
    np.testing.assert_array_equal(
        sg.function([], other.uniform((3,)))(), sg.function([], streams.uniform((3,)))()
    )


@pytest.mark.parametrize("copied", COPIERS)
def test_shared_variables_are_copied_with_their_storage(copied: Any) -> None:
    w = sg.shared(np.arange(6.0).reshape(2, 3), name="w")
    w.default_update = w + 1
    again, alias = copied([w, w.clone()])
    assert again.container is alias.container
    assert again.container.array.ctypes.data % 64 == 0
    assert again.default_update.owner.inputs[0] is again
    again.set_value(np.zeros((2, 3)))
    assert w.get_value().sum() == 15
    f = sg.function([], again)
    f()
    assert alias.get_value().sum() == 6


def public_objects() -> dict[str, Any]:
    """One of each kind of object that users hold."""
    x, y = T.dmatrix("x"), T.dvector("y")
    w = sg.shared(np.ones(3), name="w")
    loop, updates = sg.scan(lambda s, p: s * p, outputs_info=y, sequences=x)
    layer = L.DenseLayer(L.InputLayer((None, 3)), 2, name="out")
    return {
        "variable": x, "expression": T.dot(x, y), "constant": T.constant([1.0, 2.0]),
        "shared": w, "type": x.type, "apply": (x + 1).owner, "op": (x + 1).owner.op,
        "in": sg.In(y, value=np.ones(3)), "gradient": sg.grad((w**2).sum(), w),
        "scan": loop, "scan updates": updates, "branch": T.switch(y[0] > 0, x, x + 1),
        "lazy branch": sg.ifelse(y[0] > 0, y, y + 1),
        "subtensor": T.set_subtensor(x[0], y), "function": sg.function([y], y * w),
        "layer": layer, "nonlinearity": nn.nonlinearities.LeakyRectify(0.1),
        "initializer": nn.init.GlorotUniform("relu"),
        "updates": nn.updates.adam((w**2).sum(), [w]), "streams": RandomStreams(1),
        "sparse": sg.sparse.csr_matrix("s"), "config": dict(floatX=sg.config.floatX),
        "rewritten": sg.function([y], y + y).rewritten, "error": sg.errors.ShapeError("m"),
    }  # fmt: skip


@pytest.mark.parametrize("name", public_objects())
def test_public_objects_make_the_round_trip(name: str) -> None:
    thing = public_objects()[name]
    for copied in [*COPIERS, copy.copy, *others()]:
        again = copied(thing)
        assert type(again) is type(thing)
        if isinstance(thing, sg.Variable):
            assert again.type == thing.type
            assert sg.printing.debugprint(again, file="str") == sg.printing.debugprint(
                thing, file="str"
            )


def test_across_processes(tmp_path: Path) -> None:
    things = public_objects()
    step, _ = training()
    step(X)
    for name in ("rewritten",):  # holds rules of the package, which are functions
        del things[name]
    (tmp_path / "things").write_bytes(pickle.dumps((things, step, X)))
    code = (
        "import pickle, sys\n"
        "things, step, x = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(repr(float(step(x)['loss'])), step.timings.cached, len(things))\n"
        "y = things['function']([1.0, 2.0, 3.0])\n"
        "assert y.tolist() == [1.0, 2.0, 3.0], y\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "things")], capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    loss, cached, count = done.stdout.split()
    assert float(loss) == step(X)["loss"]
    assert (cached, count) == ("True", str(len(things)))


def test_order_gives_what_lies_below_first() -> None:
    below = {"d": "bc", "c": "a", "b": "a", "a": ""}
    assert list(ordered("d", below.__getitem__, set())) == ["a", "b", "c", "d"]
