"""Tiles that a function will need are compiled while its graph is rewritten."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu import tile_objects
from symgraph.backends.cpu.backend import likely_families
from symgraph.core.graph import freeze


def families(inputs, output):
    return likely_families(freeze(inputs, [output]), sg.config.winograd)


def test_products_of_long_rows_need_tiles_and_thin_ones_do_not():
    x, w = T.fmatrix("x"), T.TensorType("float32", (784, 10))("w")
    assert families([x, w], T.dot(x, w)) == {("gemm", "float32")}
    thin = T.TensorType("float32", (2, 10))("w")
    assert families([x, thin], T.dot(x, thin)) == set()
    z = T.imatrix("z")
    assert families([z], T.dot(z, z)) == set()


def test_convolutions_need_their_family_or_winograd():
    x = T.ftensor4("x")
    for shape, wanted in (
        ((32, 16, 3, 3), "winograd4"),
        ((32, 3, 3, 3), "convolution"),
    ):
        w = T.TensorType("float32", shape)("w")
        y = T.nnet.conv2d(x, w)
        assert families([x, w], y) == {(wanted, "float32")}
    with sg.config.override(winograd=0):
        w = T.TensorType("float32", (32, 16, 3, 3))("w")
        assert families([x, w], T.nnet.conv2d(x, w)) == {("convolution", "float32")}


@pytest.mark.slow
def test_families_that_are_missing_are_compiled_in_one_go(monkeypatch, tmp_path):
    from symgraph.backends.cpu import library_object

    asked = []
    compiled = library_object.tile_object

    def counted(wanted):
        asked.append(wanted)
        return compiled(wanted)

    monkeypatch.setattr(library_object, "tile_object", counted)
    monkeypatch.setattr(tile_objects, "_libraries", {})
    both = [("gemm", "float32"), ("winograd2", "float32")]
    libraries = tile_objects.have(both, f"a stamp of {tmp_path}")
    assert asked == [frozenset(both)]
    assert libraries[both[0]].address("sg_gemm_f32")
    assert libraries[both[1]].address("sg_winograd2_tiles_f32")
    tile_objects.have(both, f"a stamp of {tmp_path}")
    monkeypatch.setattr(tile_objects, "_libraries", {})
    tile_objects.have(both[:1], f"a stamp of {tmp_path}")  # now from the cache
    assert len(asked) == 1


def test_a_failure_of_the_thread_is_told_by_the_function(monkeypatch):
    def fails(*args):
        raise RuntimeError("no tiles today")

    monkeypatch.setattr(tile_objects, "have", fails)
    x = T.fmatrix("x")
    w = sg.shared(np.ones((300, 300), "float32"))
    with pytest.raises(RuntimeError, match="no tiles today"):
        sg.function([x], T.dot(x, w) * 3.25)(np.ones((300, 300), "float32"))
