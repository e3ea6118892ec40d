"""Code for fewer CPU features computes the same: AVX2, and x86-64 without AVX or FMA.

Functions are compiled under SYMGRAPH_CPU_FEATURES and run on this machine, whose features
are a superset. What the instructions are is read off the assembly.
"""

import re
from collections.abc import Iterator

import llvmlite.binding as llvm
import numpy as np
import pytest
import samples
import samples_functions
import samples_structure  # noqa: F401  fills structure.SAMPLES
import structure
from sampling import Sample

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu import target
from symgraph.backends.cpu.device import module_text
from symgraph.backends.cpu.vectors import emit_kernel
from symgraph.core.dtypes import is_complex

LEVELS = ("avx2", "generic")
RELATIVE = {"float32": 1e-5, "complex64": 1e-5, "float64": 1e-12, "complex128": 1e-12}
TABLES = (samples.SAMPLES, structure.SAMPLES, samples_functions.SAMPLES)
NAMES = sorted(set().union(*TABLES))
#: names a test: one function compiles the samples of that many
GROUP = 8
GROUPS = [NAMES[i : i + GROUP] for i in range(0, len(NAMES), GROUP)]


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if not target.is_x86():
        pytest.skip("levels are x86's")
    name: str = request.param
    monkeypatch.setenv(target.VARIABLE, name)
    return name


def is_plain(sample: Sample) -> bool:
    return sample.error is None


def built(names: list[str]) -> Iterator[tuple[str, list, dict]]:
    """The first and the last sample of each function: outputs, values of inputs."""
    for name in names:
        found = [s for t in TABLES for s in t.get(name, []) if is_plain(s)]
        for sample in dict.fromkeys(map(id, found[:1] + found[-1:])):
            chosen = next(s for s in found if id(s) == sample)
            outputs, values = chosen.build(name)
            if any(is_complex(v.type.dtype) for v in outputs):
                continue
            yield f"{name}{chosen}", outputs, values


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: f"{names[0]}-{names[-1]}")
def test_samples_of_every_function_agree_with_the_reference(
    names: list[str], level: str
) -> None:
    notes, outputs, values = [], [], {}
    for note, made, given in built(names):
        notes += [note] * len(made)
        outputs += made
        values |= given
    if not outputs:
        return
    inputs, arrays = list(values), list(values.values())
    with np.errstate(all="ignore"):
        wanted = sg.function(inputs, outputs, "FAST_COMPILE", on_unused_input="ignore")(
            *arrays
        )
        got = sg.function(inputs, outputs, on_unused_input="ignore")(*arrays)
    for note, want, have in zip(notes, wanted, got, strict=True):
        assert (want.shape, want.dtype) == (have.shape, have.dtype), note
        bound = RELATIVE.get(have.dtype.name, 0.0)
        np.testing.assert_allclose(have, want, bound, bound, err_msg=note)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_length_of_a_vector_loop_is_right(dtype: str, level: str) -> None:
    """Rests run under a mask, which SSE has no instructions for."""
    x = T.TensorType(dtype, (None,))("x")
    f = sg.function([x], [T.exp(x) * x + 1, T.tanh(x).sum(), x.max(), T.gt(x, 0)])
    whole = np.random.default_rng(0).normal(size=80).astype(dtype)
    bound = 4e-6 if dtype == "float32" else 1e-14
    for n in range(1, 70):
        a = whole[:n]
        guard = np.concatenate([a, np.full(8, np.nan, dtype)])[:n]
        got = f(guard)
        np.testing.assert_allclose(got[0], np.exp(a) * a + 1, bound, bound)
        np.testing.assert_allclose(got[1], np.tanh(a).sum(), 4 * bound, 4 * bound)
        assert got[2] == a.max()
        np.testing.assert_array_equal(got[3], a > 0)


def test_gathers_scatters_and_strides_are_right(level: str) -> None:
    x, i = T.dmatrix("x"), T.lvector("i")
    f = sg.function([x, i], [x[i], x[:, ::-2] * 2, x.T + 1, T.inc_subtensor(x[i], 1.0)])
    a = np.random.default_rng(0).normal(size=(19, 17))
    for n in (1, 5, 16):
        index = np.random.default_rng(n).integers(-19, 19, n)
        added = a.copy()
        np.add.at(added, index, 1.0)
        for got, want in zip(
            f(a, index), [a[index], a[:, ::-2] * 2, a.T + 1, added], strict=True
        ):
            np.testing.assert_array_equal(got, want)


def test_a_training_step_is_that_of_all_features(level: str) -> None:
    """A product, a softmax, its gradient and an update, by both kinds of code."""
    random = np.random.default_rng(0)
    a, start = random.normal(size=(33, 21)), random.normal(size=(21, 5))
    labels = random.integers(0, 5, 33)

    def losses() -> list[float]:
        w = sg.shared(start.copy(), "w")
        x, y = T.dmatrix("x"), T.lvector("y")
        cost = T.nnet.categorical_crossentropy(
            T.nnet.softmax(T.dot(x, w) + T.tanh(x).sum(axis=1, keepdims=True)), y
        ).mean()
        step = sg.function([x, y], cost, updates={w: w - 0.1 * sg.grad(cost, w)})
        return [float(step(a, labels)) for _ in range(4)]

    restricted = losses()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(target.VARIABLE)
        full = losses()
    assert restricted[-1] < restricted[0]
    np.testing.assert_allclose(restricted, full, 1e-11)


def instructions(text: str) -> tuple[set[str], str]:
    """Mnemonics and assembly of a module compiled for the level in force."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=target.cpu_name(), features=target.feature_string(), opt=1
    )
    assembly = machine.emit_assembly(llvm.parse_assembly(text))
    return set(re.findall(r"^\t([a-z]\w+)", assembly, re.MULTILINE)), assembly


MATH = ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf", "sqrt",
        "arctan", "cbrt", "sinh"]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_instruction_beyond_the_level_and_no_call_of_the_c_library(
    dtype: str, level: str
) -> None:
    x = T.TensorType(dtype, (None,))("x")
    program = sg.function([x], [getattr(T, name)(x) for name in MATH]).lowered.native
    found, assembly = instructions(module_text(program, False))
    assert not re.search(r"zmm|%k\d", assembly)
    fused = any(name.startswith("vfmadd") for name in found)
    assert fused == (level == "avx2")
    assert ("%ymm" in assembly) == (level == "avx2")
    called = set(re.findall(r"\tcallq?\t(\w+)", assembly))
    assert not {c for c in called if c.rstrip("f") in ("fma", *MATH)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_compile_for_arm_with_fused_products(dtype: str) -> None:
    """NEON is never run here; LLVM must at least select its instructions."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        arm = llvm.Target.from_triple("aarch64-unknown-linux-gnu")
    except RuntimeError:
        pytest.skip("this LLVM has no code generator for ARM")
    machine = arm.create_target_machine(cpu="generic", features="+neon", opt=1)
    x, i = T.TensorType(dtype, (None,))("x"), T.lvector("i")
    made = [getattr(T, name)(x) for name in MATH]
    program = sg.function([x, i], [*made, T.exp(x).sum(), x.max(), x[i]]).lowered.native
    features = frozenset({"neon", "fp-armv8"})
    for name, kernel in program.kernels.items():
        written = emit_kernel(kernel, name, features, 16)
        # internal functions that nobody calls would be dropped
        text = written.text.replace("define internal", "define").replace(" #0 ", " ")
        module = llvm.parse_assembly("\n".join([*written.declarations.values(), text]))
        assembly = machine.emit_assembly(module)
        assert f"{name}:" in assembly
        called = set(re.findall(r"\tbl\t(\w+)", assembly))
        assert not {c for c in called if c.rstrip("f") in ("fma", *MATH)}
        if "fma.v" in text:
            assert "fmla\tv" in assembly
