"""`sg.printing`, and the names that `import symgraph` offers."""

import io
import subprocess
import sys

import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError


def test_pprint_is_one_line() -> None:
    x, y = T.dvectors("x", "y")
    assert sg.printing.pprint((x + y) * 2) == "(x + y) * 2"
    assert sg.printing.pp is sg.printing.pprint
    with pytest.raises(ArgumentError):
        sg.printing.pprint("x")


def test_debugprint_writes_one_line_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    x, w = T.dvector("x"), sg.shared(2.0, name="w")
    wanted = [
        "input  x : float64 (None,)",
        "shared w : float64 ()",
        "%0 : float64 (None,) = x * w",
        "output %0",
    ]
    assert sg.printing.debugprint(x * w) is None
    assert capsys.readouterr().out.splitlines() == wanted
    assert sg.printing.debugprint([x * w], file="str").splitlines() == wanted
    stream = io.StringIO()
    sg.printing.debugprint(x * w, file=stream)
    assert stream.getvalue().splitlines() == wanted


def test_debugprint_of_a_function_shows_the_rewritten_graph() -> None:
    x, y = T.dvectors("x", "y")
    f = sg.function([x, y], (x + y) + (x + y))
    text = sg.printing.debugprint(f, file="str")
    assert text == str(f.optimized)
    assert "= 2 * %0" in text
    assert sg.printing.debugprint(f._form.graph, file="str") == str(f.graph)
    with pytest.raises(ArgumentError, match="neither"):
        sg.printing.debugprint(3)


def test_every_public_name_is_there() -> None:
    for name in sg.__all__:
        assert getattr(sg, name) is not None
        assert name in dir(sg)
    for name in sg.gradient.__all__:
        assert getattr(sg.gradient, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        sg.nonsense  # noqa: B018


def test_layers_load_when_they_are_asked_for() -> None:
    code = (
        "import sys, symgraph as sg\n"
        "assert 'symgraph.nn' not in sys.modules\n"
        "sg.nn.layers.DenseLayer\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
