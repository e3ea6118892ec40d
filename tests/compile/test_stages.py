"""Each stage of a compiled function prints."""

import networkx
import numpy as np

import symgraph as sg
import symgraph.tensor as T


def made() -> sg.function:
    x = T.dmatrix("x")
    w = sg.shared(np.ones((30, 20)), name="w")
    y = T.nnet.softmax(T.dot(x, w)) + T.log(1 + x.sum())
    return sg.function([x], y, updates=[(w, w * 0.5)], name="forward")


def test_graph_and_optimized_print_inputs_nodes_outputs_and_updates() -> None:
    f = made()
    assert "input  x : float64 (None, None)" in f.graph
    assert "shared w : float64 (30, 20)" in f.graph
    assert "update w <-" in f.graph
    assert "log(" in f.graph
    assert "log1p(" in f.optimized
    assert "log1p(" not in f.graph
    assert repr(f.graph) == str(f.graph)


def test_kernels_source_and_program_print() -> None:
    f = made()
    assert "kernel k0(" in f.kernels
    assert "program\n" in f.kernels
    assert "@" in f.kernels
    assert "def k0(" in f.source
    compile(str(f.source), "source", "exec")


def test_explain_names_rules_lines_and_timings() -> None:
    f = made()
    text = f.explain()
    assert "function forward" in text
    assert "log1p" in text
    assert "test_stages.py:" in text
    assert "compilation" in text
    assert " ms" in text


def test_to_networkx_gives_the_graph() -> None:
    graph = made().to_networkx()
    assert isinstance(graph, networkx.DiGraph)
    assert networkx.is_directed_acyclic_graph(graph)
    labels = {data["label"] for _, data in graph.nodes(data=True)}
    assert {"x", "w", "dot"} <= labels


def test_a_function_from_the_cache_prints_the_same() -> None:
    one, other = made(), made()
    assert other.timings.cached
    assert (one.graph, one.optimized, one.kernels) == (
        other.graph, other.optimized, other.kernels,
    )  # fmt: skip


def test_the_reference_mode_has_stages_too() -> None:
    x = T.dscalar("x")
    f = sg.function([x], x + x, mode="FAST_COMPILE")
    assert "add" in f.graph or "+" in f.graph
    assert "x + x" in f.optimized  # it runs the graph as it was built
    assert "kernel" in f.kernels


def test_a_sum_of_equal_terms_is_one_kernel_of_one_product() -> None:
    x, y = T.dvectors("x", "y")
    f = sg.function([x, y], (x + y) + (x + y))
    assert f.kernels.count("kernel k") == 1
    assert f.kernels.count("(2.0 * ") + f.kernels.count(" * 2.0)") == 1
    assert "FAST_RUN" in repr(f)
