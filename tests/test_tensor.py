"""symgraph.tensor: constructors, plural forms, values, and what it re-exports."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symgraph
import symgraph.tensor as T
from symgraph.core.operators import METHODS
from symgraph.core.public import PUBLIC
from symgraph.errors import ArgumentError, ConversionError, DtypeError, ShapeError

EXTENTS = {
    "scalar": (), "vector": (None,), "matrix": (None, None), "row": (1, None),
    "col": (None, 1), "tensor3": (None,) * 3, "tensor4": (None,) * 4,
    "tensor5": (None,) * 5,
}  # fmt: skip
DTYPES = {
    "b": "int8", "w": "int16", "i": "int32", "l": "int64", "f": "float32",
    "d": "float64", "c": "complex64", "z": "complex128",
}  # fmt: skip


@pytest.mark.parametrize("kind", EXTENTS)
def test_constructors_make_leaves_of_their_rank_and_dtype(kind: str) -> None:
    x = getattr(T, kind)("x")
    assert (x.name, x.type) == (
        "x",
        T.TensorType(symgraph.config.floatX, EXTENTS[kind]),
    )
    assert getattr(T, kind)(name="y", dtype="int32").type.dtype == "int32"
    for prefix, dtype in DTYPES.items():
        made = getattr(T, prefix + kind)("z")
        assert made.type == T.TensorType(dtype, EXTENTS[kind])
        assert getattr(T, prefix + kind).__doc__


def test_a_constructor_without_dtype_reads_config_when_called() -> None:
    with symgraph.config.override(floatX="float32"):
        assert T.matrix().type.dtype == "float32"
        assert T.matrix(dtype="floatX").type.dtype == "float32"
        assert T.dmatrix().type.dtype == "float64"


def test_known_extents_are_given_by_shape() -> None:
    assert T.matrix("x", shape=(None, 784)).type.shape == (None, 784)
    assert T.tensor4(shape=(None, 1, 28, 28)).type.broadcastable[1]
    assert T.fmatrix("x", shape=(2, 3)).type.shape == (2, 3)
    assert T.row(shape=(1, 5)).type.shape == (1, 5)


def test_shapes_of_another_rank_are_refused() -> None:
    with pytest.raises(ShapeError, match="has 1 axes, expected 2"):
        T.matrix("x", shape=(3,))
    with pytest.raises(ShapeError, match="does not agree"):
        T.row(shape=(2, 5))
    with pytest.raises(ArgumentError, match="the first argument is a name"):
        T.matrix((2, 3))
    with pytest.raises(DtypeError, match="float16"):
        T.matrix("x", "float16")
    with pytest.raises(ArgumentError, match="extent"):
        T.vector(shape=(-1,))


def test_place_of_birth_is_the_callers_line() -> None:
    assert Path(T.vector("x").place[0]).name == "test_tensor.py"
    assert Path(T.dvectors("x", "y")[0].place[0]).name == "test_tensor.py"


def test_plural_forms() -> None:
    assert [v.name for v in T.dvectors("x", "y")] == ["x", "y"]
    assert [v.name for v in T.matrices("xyz")] == ["x", "y", "z"]
    assert [v.name for v in T.imatrices(3)] == [None] * 3
    assert T.vectors("x").name == "x"
    assert [v.type.dtype for v in T.fscalars("ab")] == ["float32"] * 2
    assert [v.type.dtype for v in T.scalars("a", "b", dtype="int8")] == ["int8"] * 2
    with pytest.raises(ArgumentError, match="give names"):
        T.vectors()


def test_tensor_of_any_rank() -> None:
    assert T.tensor("float32", (False, True), "x").type.shape == (None, 1)
    assert T.tensor("x", shape=(2, None)).name == "x"
    assert T.tensor(dtype="int8", shape=(3,)).type.dtype == "int8"
    assert T.tensor("int8", broadcastable=(True,)).type == T.TensorType("int8", (1,))
    with pytest.raises(ArgumentError, match="give shape"):
        T.tensor("float32")
    with pytest.raises(ArgumentError, match="two names"):
        T.tensor("x", (2,), "y", dtype="int8")


def test_constants_take_the_smallest_integers_and_floatx() -> None:
    assert T.constant(3).type.dtype == "int8"
    assert T.constant(300).type.dtype == "int16"
    assert T.constant(2.5).type.dtype == "float64"
    with symgraph.config.override(floatX="float32"):
        assert T.constant(2.5).type.dtype == "float32"
        assert T.constant([1.0, 2.0]).type.dtype == "float32"
    made = T.constant(np.ones((2, 3)), "w", ndim=3, dtype="float32")
    assert (made.name, str(made.type)) == ("w", "float32 (1, 2, 3)")
    assert isinstance(made, T.TensorConstant)


def test_a_constant_keeps_a_copy() -> None:
    array = np.zeros(3)
    made = T.constant(array)
    array[0] = 1
    assert made.data.tolist() == [0.0, 0.0, 0.0]


def test_constants_refuse_variables_and_ranks_that_shrink() -> None:
    with pytest.raises(ConversionError, match="x : float64"):
        T.constant(T.vector("x"))
    with pytest.raises(ConversionError, match="stack"):
        T.constant([T.scalar("x"), 1])
    with pytest.raises(ShapeError, match="less than the rank"):
        T.constant(np.ones((2, 3)), ndim=1)
    with pytest.raises(ConversionError, match="str"):
        T.constant("three")


def test_as_tensor_variable() -> None:
    x, s = T.vector("x"), T.scalar("s")
    assert T.as_tensor_variable(x) is x
    assert T.as_tensor is T.as_tensor_variable
    assert T.as_tensor_variable([s, 1.0]).type.shape == (2,)
    assert T.as_tensor_variable(x, ndim=3).type.shape == (1, 1, None)
    assert T.as_tensor_variable(2.0, name="two", ndim=1).type.shape == (1,)
    assert T.as_tensor_variable(2.0, name="two").name == "two"
    assert x.name == "x"
    with pytest.raises(ShapeError, match="less than the rank"):
        T.as_tensor_variable(x, ndim=0)
    with pytest.raises(ConversionError):
        T.as_tensor_variable(object())


def test_every_public_function_is_an_attribute_and_listed() -> None:
    listed = dir(T)
    for name, function in PUBLIC.items():
        assert getattr(T, name) is function
        assert name in listed
    assert "fmatrices" in listed
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = T.no_such_thing


def test_the_starred_import_brings_functions_and_constructors() -> None:
    space: dict[str, object] = {}
    exec("from symgraph.tensor import *", space)
    assert space["dmatrix"] is T.dmatrix
    assert space["concatenate"] is T.concatenate
    assert space["shape"] is PUBLIC["shape"]


def test_importing_tensor_loads_every_file_of_ops() -> None:
    folder = Path(symgraph.__file__).parent / "ops"
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    code = (
        "import sys, symgraph.tensor\n"
        "print(*(m.rpartition('.')[2] for m in sys.modules if 'symgraph.ops.' in m))\n"
        "print(*(m for m in ('numba', 'llvmlite', 'networkx') if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=folder.parent.parent,
    )  # fmt: skip
    loaded, heavy = done.stdout.split("\n")[:2]
    assert files - set(loaded.split()) == set()
    assert heavy == ""


def test_methods_and_properties_of_variables() -> None:
    x = T.fmatrix("x")
    assert x.T.type.shape == (None, None)
    assert x.sum(axis=0).type.shape == (None,)
    assert x.astype("int32").type.dtype == "int32"
    assert x.size.type.dtype == "int64"
    assert x.norm(2).ndim == 0
    assert x.dimshuffle(1, "x", 0).ndim == 3


def test_nnet_is_a_namespace_of_functions() -> None:
    assert T.nnet.softmax is PUBLIC["softmax"]
    assert "softmax" in dir(T.nnet)


def test_variables_copy_and_pickle() -> None:
    x = T.matrix("x")
    y = x.sum(axis=0) + 1
    for made in (copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        assert made.type == y.type
        assert made is not y


def test_every_method_of_variables_is_a_public_function() -> None:
    missing = [name for name in METHODS if name not in PUBLIC]
    assert missing == []
    x = T.dmatrix("x")
    assert x.compress([True, False], axis=0).type == T.compress([1, 0], x, 0).type
