"""Features, their restriction, and the fingerprint that must tell targets apart."""

import subprocess
import sys

import pytest

from symgraph.backends.cpu import target
from symgraph.errors import BackendError

needs_x86 = pytest.mark.skipif(not target.is_x86(), reason="levels are x86's")


@pytest.fixture
def restrict(monkeypatch):
    def to(wish):
        monkeypatch.setenv(target.VARIABLE, wish)

    to("")
    return to


def test_the_host_has_the_baseline(restrict):
    assert target.features()
    assert target.vector_bytes() in (16, 32, 64)
    if target.is_x86():
        assert "sse2" in target.features()


@needs_x86
@pytest.mark.parametrize(
    ("wish", "most", "without"),
    [
        ("generic", 16, {"avx", "fma", "sse4.1", "avx512f"}),
        ("avx2", 32, {"avx512f", "avx512vl", "avx512bw"}),
        ("avx2,-fma", 32, {"fma"}),
        ("-avx2", 16, {"avx2", "avx512f"}),
        ("-avx", 16, {"avx", "avx2", "fma", "f16c", "avx512dq"}),
        ("-avx512vl", 32, {"avx512vl", "avx512fp16"}),
        ("-fma", 32, {"fma", "avx512f", "avx512bw"}),
        ("-f16c", 32, {"f16c", "avx512f", "avx512vnni"}),
        ("-sse4.2", 16, {"sse4.2", "avx", "avx2", "fma", "avx512f"}),
        ("-ssse3", 16, {"ssse3", "sse4.1", "sse4.2", "avx"}),
        ("-xsave", 16, {"xsave", "avx", "avx2"}),
        ("avx2,-aes", 32, {"aes", "vaes", "avx512f"}),
    ],
)
def test_a_restriction_takes_features_away(restrict, wish, most, without):
    everything = target.features()
    restrict(wish)
    assert target.features() <= everything
    assert not target.features() & without
    assert target.vector_bytes() <= most
    given = set(target.feature_string().split(","))
    for name in without:
        assert f"-{name}" in given
    assert {f"+{name}" for name in target.features()} <= given


def test_vector_width_follows_the_features():
    full = {"avx2", "avx512f", "avx512bw", "avx512dq", "avx512vl"}
    assert target.vector_bytes(full) == 64
    assert target.vector_bytes(full - {"avx512dq"}) == 32
    assert target.vector_bytes(full - {"avx2", "avx512dq"}) == 16
    assert target.vector_bytes(frozenset()) == 16


@pytest.mark.parametrize("name", ["64bit", "sse2", "sse", "cmov", "fxsr"])
def test_what_every_program_needs_cannot_be_left_out(restrict, name):
    if not target.is_x86():
        pytest.skip("x86-64")
    restrict(f"-{name}")
    with pytest.raises(BackendError, match=f"{name} cannot be left out"):
        target.features()


def test_needs_name_known_features_and_end():
    for name, needs in target.X86_NEEDS.items():
        assert {name, *needs.split()} <= set(target.X86_FLAGS)
    assert target._closed(frozenset(target.X86_FLAGS)) == frozenset(target.X86_FLAGS)


@pytest.mark.parametrize(
    "wish", ["avx3", "avx2,generic", "+avx2", "avx512f", "-fmma", "-"]
)
def test_an_unknown_restriction_is_an_error(restrict, wish):
    restrict(wish)
    with pytest.raises(BackendError, match="SYMGRAPH_CPU_FEATURES"):
        target.features()
    with pytest.raises(BackendError, match="SYMGRAPH_CPU_FEATURES"):
        target.fingerprint()


def test_each_restriction_has_its_own_fingerprint(restrict):
    found = set()
    for wish in ("", "generic", "avx2", "avx2,-fma", "-fma"):
        restrict(wish)
        found.add(target.fingerprint())
    assert len(found) == 5


def test_spelling_and_order_do_not_change_the_fingerprint(restrict):
    restrict("avx2,-fma,-bmi")
    first = target.fingerprint()
    restrict(" -bmi, AVX2 ,-FMA,,")
    assert target.fingerprint() == first


def _cpuinfo(flags, **more):
    return {
        "vendor_id": "X", "cpu family": "6", "model": "1", "stepping": "1",
        "flags": flags, **more,
    }  # fmt: skip


@needs_x86
def test_fingerprint_changes_with_what_code_depends_on(restrict, monkeypatch):
    def fingerprint_of(info, tools="llvmlite-1 numba-1"):
        monkeypatch.setattr(target, "_cpuinfo", lambda: info)
        monkeypatch.setattr(target, "_toolchain", lambda: tools)
        return target._fingerprint.__wrapped__("")

    base = fingerprint_of(_cpuinfo("sse sse2 avx avx2 fma"))
    assert fingerprint_of(_cpuinfo("fma sse avx2 sse2 avx nonstop_tsc")) == base
    others = [
        fingerprint_of(_cpuinfo("sse sse2 avx avx2")),
        fingerprint_of(_cpuinfo("sse sse2 avx avx2 fma avx512f")),
        fingerprint_of(_cpuinfo("sse sse2 avx avx2 fma", model="2")),
        fingerprint_of(_cpuinfo("sse sse2 avx avx2 fma", vendor_id="Y")),
        fingerprint_of(_cpuinfo("sse sse2 avx avx2 fma"), "llvmlite-2 numba-1"),
    ]
    assert len({base, *others}) == 6


@needs_x86
def test_no_feature_is_used_that_the_fingerprint_does_not_see(restrict, monkeypatch):
    hidden = _cpuinfo("lm cmov cx8 fxsr mmx sse sse2 pni avx avx2")
    monkeypatch.setattr(target, "_cpuinfo", lambda: hidden)
    assert "fma" not in target._features.__wrapped__("")
    assert "sse2" in target._features.__wrapped__("")


def test_the_fingerprint_loads_neither_llvm_nor_numba():
    script = (
        "import sys\n"
        "from symgraph.backends.cpu import target\n"
        "print(target.fingerprint(), target.toolchain())\n"
        "assert not {'llvmlite', 'numba'} & set(sys.modules)\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], check=True, timeout=60,
            capture_output=True, text=True,
        ).stdout
        for _ in range(2)
    }  # fmt: skip
    assert len(outputs) == 1
    assert target.fingerprint() in outputs.pop()


def test_toolchain_names_the_installed_versions():
    import llvmlite  # noqa: PLC0415
    import numba  # noqa: PLC0415

    wanted = f"llvmlite-{llvmlite.__version__} numba-{numba.__version__}"
    assert target.toolchain() == wanted
