"""The cache behind `function`: warm starts, damaged entries, many processes, messages."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu import backend
from symgraph.compile import batches, build
from symgraph.core.graph import freeze
from symgraph.errors import IndexRangeError, LinearAlgebraError, ShapeError

PROGRAM = """
import sys
import numpy as np
import symgraph as sg
import symgraph.tensor as T

x, y = T.fmatrix("x"), T.lvector("y")
w = sg.shared(np.full((6, 3), 0.1, "float32"), name="w")
p = T.nnet.softmax(T.dot(x, w))
loss = T.nnet.categorical_crossentropy(p, y).mean()
step = sg.function([x, y], loss, updates=[(w, w - sg.grad(loss, w) * np.float32(0.1))])
X = np.arange(24, dtype="float32").reshape(4, 6) / 24
for _ in range(3):
    value = float(step(X, [0, 1, 2, 0]))
print(round(value, 5), step.timings.cached, "numba.core.codegen" in sys.modules)
"""


def run(folder: Path, program: str = PROGRAM, **environment: str) -> list[str]:
    """Output of a process whose cache is in `folder`."""
    settings = {**os.environ, "SYMGRAPH_CACHE_DIR": str(folder), **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        env=settings, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def entries(folder: Path) -> list[Path]:
    """Files of a cache."""
    return sorted(p for p in folder.rglob("*") if p.is_file())


@pytest.mark.slow
def test_a_second_process_does_not_import_numba(tmp_path: Path) -> None:
    cold, warm = run(tmp_path), run(tmp_path)
    assert cold[1:] == ["False", "True"]
    assert warm[1:] == ["True", "False"]
    assert cold[0] == warm[0]


@pytest.mark.slow
def test_damaged_entries_are_compiled_again_without_a_word(tmp_path: Path) -> None:
    value = run(tmp_path)[0]
    whole = {path: path.read_bytes() for path in entries(tmp_path)}
    assert whole
    for damage in (
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:-200] + bytes(b ^ 255 for b in data[-200:]),
        lambda data: b"this is another program's file" * 50,
    ):
        for path, data in whole.items():
            path.write_bytes(damage(data))
        assert run(tmp_path)[0] == value
        assert run(tmp_path)[0] == value


@pytest.mark.slow
def test_an_entry_under_the_key_of_another_function_is_not_used(tmp_path: Path) -> None:
    first = run(tmp_path)[0]
    before = max(entries(tmp_path), key=lambda path: path.stat().st_size)
    other = PROGRAM.replace("0.1)", "0.7)").replace(".mean()", ".sum()")
    value = run(tmp_path, other)[0]
    assert value != first
    for path in entries(tmp_path):
        if path != before and path.suffix == before.suffix:
            path.write_bytes(before.read_bytes())
    assert run(tmp_path, other)[0] == value


@pytest.mark.slow
def test_eight_processes_start_on_an_empty_cache(tmp_path: Path) -> None:
    settings = {**os.environ, "SYMGRAPH_CACHE_DIR": str(tmp_path)}
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM], env=settings,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(8)
    ]  # fmt: skip
    results = [process.communicate(timeout=120) for process in started]
    assert [error for _, error in results] == [""] * 8
    assert len({out.split()[0] for out, _ in results}) == 1


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    program = "import warnings; warnings.simplefilter('ignore')\n" + PROGRAM
    assert run(blocked, program)[1:] == ["False", "True"]


def _keys(monkeypatch: pytest.MonkeyPatch, make: Any) -> list[str]:
    seen: list[str] = []
    fingerprint = build.fingerprint

    def recorded(*args: Any) -> str:
        seen.append(fingerprint(*args))
        return seen[-1]

    monkeypatch.setattr(build, "fingerprint", recorded)
    make()
    monkeypatch.setattr(build, "fingerprint", fingerprint)
    return seen


def test_the_key_depends_on_the_processor_and_on_what_is_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def make(factor: float = 2.0, dtype: str = "float64", order: int = 0) -> None:
        x, y = T.vector("x", dtype), T.vector("y", dtype)
        inputs = [x, y] if order == 0 else [y, x]
        sg.function(inputs, x - y * np.asarray(factor, dtype))

    (first,) = _keys(monkeypatch, make)
    assert _keys(monkeypatch, make) == [first]
    others = [
        _keys(monkeypatch, lambda: make(3.0)),
        _keys(monkeypatch, lambda: make(dtype="float32")),
        _keys(monkeypatch, lambda: make(order=1)),
    ]
    monkeypatch.setattr(backend, "machine", lambda: "another processor")
    others.append(_keys(monkeypatch, make))
    found = [key for keys in others for key in keys]
    assert len({first, *found}) == 5


def test_shared_variables_of_other_shapes_have_keys_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def make(shape: tuple[int, ...]) -> None:
        sg.function([], sg.shared(np.zeros(shape)) + 1)

    one, other = (
        _keys(monkeypatch, lambda: make((2, 3))),
        _keys(monkeypatch, lambda: make((3, 2))),
    )
    assert one != other


@pytest.mark.parametrize(
    "setting",
    [{"floatX": "float32"}, {"blas": "blas"}, {"blas": "own"}, {"winograd": 0}],
)
def test_each_setting_flipped_misses(
    setting: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> None:
        x = T.fmatrix("x")
        sg.function([x], T.dot(x, x) * 2)

    before = {name: getattr(sg.config, name) for name in setting}
    assert before != setting
    first = _keys(monkeypatch, make)
    with sg.config.override(**setting):
        flipped = _keys(monkeypatch, make)
    assert flipped != first
    assert _keys(monkeypatch, make) == first


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VERSION", "0.0.other"), ("source_stamp", lambda: "other"), ("blas", lambda: None),
        ("machine", lambda: "other"), ("stamp", lambda: "other rules"),
    ],
)  # fmt: skip
def test_each_thing_that_decides_the_code_is_in_the_key(
    name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> None:
        x = T.dmatrix("x")
        sg.function([x], T.dot(x, x) * 2)

    first = _keys(monkeypatch, make)
    with monkeypatch.context() as patch:
        patch.setattr(build if hasattr(build, name) else backend, name, value)
        assert _keys(monkeypatch, make) != first
    assert _keys(monkeypatch, make) == first


def _with_constant(c: np.ndarray, where: str) -> Any:
    """A function of x (4096,) in which a constant stands."""
    x = T.dvector("x")
    if where == "sum":
        out = x + T.constant(c)
    elif where == "index":
        out = x[T.constant(c.astype("int64"))]
    elif where == "scan":
        out = sg.scan(lambda s: s + T.constant(c), outputs_info=x, n_steps=2)[0][-1]
    else:
        out = sg.ifelse(T.gt(x[0], -1), x + T.constant(c), x)
    return sg.function([x], out)


@pytest.mark.parametrize("where", ["sum", "index", "scan", "ifelse"])
def test_functions_that_differ_in_one_large_constant(where: str) -> None:
    base = np.arange(4096.0)
    x = np.linspace(0, 1, 4096)
    for place in (None, 0, 2000, 4095):
        c = base.copy()
        if place is not None:
            c[place] = 7.0
        wanted = {
            "sum": x + c, "index": x[c.astype(int)], "scan": x + c + c, "ifelse": x + c
        }[where]  # fmt: skip
        found = _with_constant(c, where)(x)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
        np.testing.assert_allclose(_with_constant(c, where)(x), wanted, rtol=1e-12)


def test_constants_of_equal_bytes_or_equal_values_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    six = np.arange(1.0, 7.0)
    values = [
        six.reshape(2, 3), six.reshape(3, 2), six.reshape(1, 6), six.reshape(6, 1),
        six.reshape(2, 3).view("int64"), np.zeros((2, 3)), -np.zeros((2, 3)),
        np.full((2, 3), np.nan),
    ]  # fmt: skip

    def make(value: np.ndarray) -> None:
        x = T.dscalar("x")
        sg.function([x], x * T.constant(value))

    keys = [_keys(monkeypatch, lambda v=v: make(v))[0] for v in values]
    assert len(set(keys)) == len(values)


def test_what_is_returned_and_what_is_updated_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = T.dvector("x")
    v, w = (sg.shared(np.ones(3), name) for name in "vw")
    makes = [
        lambda: sg.function([x], [x + 1, x * v * w]),
        lambda: sg.function([x], [x * v * w, x + 1]),
        lambda: sg.function([x], [x + 1], updates=[(v, x * v * w)]),
        lambda: sg.function([x], [x + 1], updates=[(w, x * v * w)]),
        lambda: sg.function([x], [x * v * w], updates=[(v, x + 1)]),
    ]
    keys = [_keys(monkeypatch, make)[0] for make in makes]
    assert len(set(keys)) == len(keys)


def test_messages_after_a_hit_name_the_line_of_the_program_that_runs() -> None:
    def make() -> Any:
        x, i = T.dmatrix("xx"), T.lvector("ii")
        return sg.function([x, i], T.take(x + x, i, axis=0) * 4.25)

    def again() -> Any:
        x, i = T.dmatrix("left"), T.lvector("right")
        return sg.function([x, i], T.take(x + x, i, axis=0) * 4.25)

    first, second, third = make(), make(), again()
    assert second.timings.cached
    lines = []
    for f in (first, second, third):
        with pytest.raises(IndexRangeError) as caught:
            f(np.ones((2, 2)), [5])
        lines.append(str(caught.value))
    assert lines[0] == lines[1]
    assert "xx" not in lines[2]
    assert "right" in lines[2]
    number = again.__code__.co_firstlineno + 2
    assert f"test_build.py:{number}" in lines[2]


def test_shape_messages_after_a_hit_name_the_new_line_too() -> None:
    def made(line: int) -> Any:
        x, y = T.dmatrices("x", "y")
        if line:
            return sg.function([x, y], T.dot(x, y) * 4.5)
        return sg.function([x, y], T.dot(x, y) * 4.5)

    texts = []
    for line in (0, 1):
        with pytest.raises(ShapeError) as caught:
            made(line)(np.ones((2, 3)), np.ones((2, 3)))
        texts.append(str(caught.value))
    start = made.__code__.co_firstlineno
    assert f"test_build.py:{start + 4}" in texts[0]
    assert f"test_build.py:{start + 3}" in texts[1]


@pytest.mark.slow
def test_without_the_cache_everything_works(tmp_path: Path) -> None:
    assert run(tmp_path, SYMGRAPH_FLAGS="cache=False")[1:] == ["False", "True"]
    assert entries(tmp_path) == []


def test_lengths_that_an_executor_is_made_for_are_in_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = T.dmatrix("x"), T.dvector("y")
    graph = freeze([x, y], [T.exp(x).sum() * y])
    options = sg.function([x, y], T.exp(x).sum() * y).options
    lengths = [(), (5, 7), (7, 5), (None, 5), (5, None), (None, None)]

    def make() -> None:
        for rows in lengths:
            build.build(graph, [], [], options, rows)

    keys = _keys(monkeypatch, make)
    assert len(set(keys)) == len(keys) == len(lengths)


def test_functions_of_often_used_lengths_are_right_for_other_lengths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "OFTEN", 2)
    for rows in (4, 6, 3, 9):
        x = T.dmatrix("x")
        w = sg.shared(np.zeros(2))
        f = sg.function([x], x.sum() + w.sum(), updates=[(w, w + x.mean(axis=0))])
        a = np.arange(2.0 * rows).reshape(rows, 2)
        total = f.repeat(5, a)
        np.testing.assert_allclose(total, a.sum() + np.arange(5) * a.mean(0).sum())
        np.testing.assert_allclose(w.get_value(), 5 * a.mean(0))


def test_errors_name_the_inner_variable_of_this_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that of an equal one which is in the cache."""
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", str(tmp_path))
    for told in ("first", "second"):
        x, y = T.dvectors("x", "y")
        inner = T.exp(x[:3])
        inner.name = told
        f = sg.function([x, y], (inner + y) * 2)
        with pytest.raises(ShapeError, match=rf"\n  {told} : float64"):
            f(np.ones(5), np.ones(2))


def test_a_failing_host_op_is_told_apart_from_its_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", str(tmp_path))
    for cached in (False, True):
        a, b = T.dmatrices("a", "b")
        f = sg.function(
            [a, b], T.nlinalg.matrix_inverse(a) + T.nlinalg.matrix_inverse(b)
        )
        assert f.timings.cached is cached
        for given, told in (((0, 1), "a"), ((1, 0), "b")):
            arrays = [k * np.eye(2) for k in given]
            with pytest.raises(LinearAlgebraError, match=rf"\n  {told} : float64"):
                f(*arrays)
