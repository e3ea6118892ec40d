"""`sg.printing`, and the names that `import symgraph` offers."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, SymgraphWarning


def test_pprint_is_one_line() -> None:
    x, y = T.dvectors("x", "y")
    assert sg.printing.pprint((x + y) * 2) == "(x + y) * 2"
    assert sg.printing.pp is sg.printing.pprint
    with pytest.raises(ArgumentError):
        sg.printing.pprint("x")


def test_program_writes_one_line_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    x, w = T.dvector("x"), sg.shared(2.0, name="w")
    wanted = [
        "input  x : float64 (None,)",
        "shared w : float64 ()",
        "%0 : float64 (None,) = x * w",
        "output %0",
    ]
    assert sg.printing.program(x * w) is None
    assert capsys.readouterr().out.splitlines() == wanted
    assert sg.printing.program([x * w], file="str").splitlines() == wanted
    stream = io.StringIO()
    sg.printing.program(x * w, file=stream)
    assert stream.getvalue().splitlines() == wanted


def test_program_of_a_function_shows_the_rewritten_graph() -> None:
    x, y = T.dvectors("x", "y")
    f = sg.function([x, y], (x + y) + (x + y))
    text = sg.printing.program(f, file="str")
    assert text == str(f.optimized)
    assert "= 2 * %0" in text
    assert sg.printing.program(f.specialization.graph, file="str") == str(f.graph)
    with pytest.raises(ArgumentError, match="neither"):
        sg.printing.program(3)


# --- trees ---------------------------------------------------------------------------


def shown(what: Any, **options: Any) -> list[str]:
    text = sg.printing.debugprint(what, file="str", **options)
    return text.splitlines()


def test_debugprint_is_a_tree_in_which_nothing_is_told_twice() -> None:
    x, y = T.dvectors("x", "y")
    s = T.exp(x)
    s.name = "s"
    assert shown(s * y + s) == [
        "add [id A]",
        " |mul [id B]",
        "   |exp [id C] 's'",
        "     |x [id D]",
        "   |y [id E]",
        " |exp [id C] 's' ...",
    ]


def test_debugprint_has_options() -> None:
    x = T.dvector("x")
    s = T.exp(x)
    s.name = "s"
    out = s * 2
    assert shown(out, depth=2) == ["mul [id A]", " |exp [id B] 's'", " |2 [id C]"]
    assert shown(out, ids="int")[0] == "mul [id 0]"
    assert shown(out, ids="")[:2] == ["mul", " |exp 's'"]
    assert shown(out, ids="id")[0] == f"mul [id {id(out.owner)}]"
    assert shown(out, print_type=True)[-1] == " |2 [id D] <float64 ()>"
    assert shown(out, stop_on_name=True) == shown(out, depth=2)
    with pytest.raises(ArgumentError, match="ids='letters'"):
        sg.printing.debugprint(out, ids="letters")


def test_debugprint_of_a_function_tells_the_order_of_computation() -> None:
    x, y = T.dvectors("x", "y")
    f = sg.function([x, y], (x + y) + (x + y))
    lines = shown(f)
    assert lines[0] == "mul [id A]   1"
    assert lines[2] == " |add [id C]   0"


def test_debugprint_numbers_several_outputs_and_writes_anywhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    x, c = T.dvector("x"), T.bscalar("c")
    first, second = sg.ifelse(c, [x, x + 1], [x, x + 2])
    assert sg.printing.debugprint([first, second]) is None
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ifelse.0 [id A]"
    assert "ifelse.1 [id A] ..." in lines
    assert lines[lines.index("Inner graphs:") + 2] == "ifelse [id A]"


def test_min_informative_str_ends_at_names() -> None:
    x, y = T.dvectors("x", "y")
    s = T.exp(x)
    s.name = "s"
    assert sg.printing.min_informative_str(s * y + s, indent_level=1).splitlines() == [
        " A. add",
        "  B. mul",
        "   C. s",
        "   D. y",
        "  <C>",
    ]
    with pytest.raises(ArgumentError, match="not a variable"):
        sg.printing.min_informative_str(3)  # type: ignore[arg-type]


def test_deep_expressions_print_without_recursion() -> None:
    out = T.dscalar("x")
    for _ in range(3000):
        out = T.exp(out)
    assert len(shown(out)) == 3001
    assert sg.printing.min_informative_str(out).count("\n") == 3000


# --- pictures ------------------------------------------------------------------------


def test_pydotprint_writes_the_format_that_the_ending_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = T.dvector("x")
    f = sg.function([x], T.exp(x) + T.exp(x))
    for ending, start in (("svg", "<svg"), ("html", "<!DOCTYPE"), ("dot", "digraph")):
        path = tmp_path / f"picture.{ending}"
        assert sg.printing.pydotprint(f, outfile=path) is None
        assert path.read_text().startswith(start)
        assert str(path) in capsys.readouterr().out
    assert "exp" in (tmp_path / "picture.dot").read_text()
    assert sg.printing.pydotprint(x * 2, return_image=True).startswith("<svg")
    assert (
        sg.printing.pydotprint(x * 2, format="dot", return_image=True)[:7] == "digraph"
    )


def test_pydotprint_says_what_it_writes_instead_of_png(tmp_path: Path) -> None:
    x = T.dvector("x")
    with pytest.warns(SymgraphWarning, match="png pictures are not made"):
        sg.printing.pydotprint(
            x + 1, outfile=str(tmp_path / "a.png"), print_output_file=False
        )
    assert [p.name for p in tmp_path.iterdir()] == ["a.svg"]
    with pytest.raises(ArgumentError, match="'tiff' is unknown"):
        sg.printing.pydotprint(x + 1, outfile=str(tmp_path / "a.tiff"))


# --- Print ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
def test_print_shows_the_value_in_every_call(
    mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    x = T.dvector("x")
    printed = sg.printing.Print("x is", ("__str__", "shape", "sum"))(x)
    f = sg.function([x], printed * 2, mode=mode)
    assert f([1.0, 2.0]).tolist() == [2.0, 4.0]
    assert capsys.readouterr().out.splitlines() == [
        "x is __str__ = [1. 2.]", "x is shape = (2,)", "x is sum = 3.0",
    ]  # fmt: skip
    f([3.0])
    assert "[3.]" in capsys.readouterr().out


def test_print_is_neither_merged_nor_folded_nor_dropped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    x = T.dvector("x")
    show = sg.printing.Print("shown")
    known = show(T.constant(2.0))
    f = sg.function([x], show(x) + show(x) + known)
    assert capsys.readouterr().out == ""
    for _ in range(2):
        assert f([1.0]).tolist() == [4.0]
        assert capsys.readouterr().out.count("shown") == 3


def test_the_gradient_passes_through_print(capsys: pytest.CaptureFixture[str]) -> None:
    x = T.dvector("x")
    out = (sg.printing.Print("once")(x) ** 2).sum()
    f = sg.function([x], [out, sg.grad(out, x)])
    assert f([1.0, 3.0])[1].tolist() == [2.0, 6.0]
    assert capsys.readouterr().out.count("once") == 1


def test_print_calls_a_function_of_the_user() -> None:
    seen = []

    def note(op: Any, value: np.ndarray) -> None:
        seen.append((op.message, value.tolist()))

    x = T.dvector("x")
    f = sg.function([x], sg.printing.Print("m", global_fn=note)(x))
    assert f([1.0]).tolist() == [1.0]
    assert seen == [("m", [1.0])]


def test_wrong_prints_are_refused() -> None:
    with pytest.raises(ArgumentError, match="tuple of names"):
        sg.printing.Print("m", "shape")
    with pytest.raises(ArgumentError, match="no attribute 'nothing'"):
        sg.printing.Print("m", ("nothing",))
    with pytest.raises(ArgumentError, match="no function"):
        sg.printing.Print("m", global_fn=3)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="printing has no 'nonsense'"):
        sg.printing.nonsense  # noqa: B018


# --- names ---------------------------------------------------------------------------


def test_every_public_name_is_there() -> None:
    for name in sg.__all__:
        assert getattr(sg, name) is not None
        assert name in dir(sg)
    for module in (sg.gradient, sg.graph, sg.printing):
        for name in module.__all__:
            assert getattr(module, name) is not None
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
