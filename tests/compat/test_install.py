"""Installing and taking back, what is missing, and running scripts."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symgraph.tensor
from symgraph import compat
from symgraph.compat.theano.names import MODULES
from symgraph.errors import NotSupportedError

PATHS = """
theano theano.tensor theano.tensor.nnet theano.tensor.nnet.nnet theano.tensor.nnet.bn
theano.tensor.nnet.conv theano.tensor.nnet.abstract_conv theano.tensor.nnet.conv3d2d
theano.tensor.signal.pool theano.tensor.signal.downsample theano.tensor.extra_ops
theano.tensor.nlinalg theano.tensor.slinalg theano.tensor.sharedvar
theano.tensor.shared_randomstreams theano.tensor.raw_random theano.tensor.var
theano.tensor.basic theano.tensor.subtensor theano.tensor.xlogx theano.tensor.elemwise
theano.tensor.opt theano.sandbox.rng_mrg theano.gof theano.gof.graph theano.gof.fg
theano.compile theano.compile.mode theano.compile.profiling theano.compile.ops
theano.compile.sharedvalue theano.scan_module theano.scan_module.scan_utils
theano.scan_module.scan_op theano.printing theano.ifelse theano.gradient theano.sparse
theano.sparse.basic theano.scalar theano.configparser theano.updates
theano.tests.unittest_tools theano.gpuarray theano.sandbox.cuda theano.version
""".split()


@pytest.mark.parametrize("path", PATHS)
def test_the_import_paths_of_old_programs_resolve(path):
    assert importlib.import_module(path).__name__ == path


def test_the_module_contains_itself(theano):
    from theano import theano as inner

    assert inner is theano


def test_a_missing_name_says_so_at_once(theano):
    with pytest.raises(
        AttributeError, match=r"theano\.tensor\.frobnicate: symgraph has"
    ):
        theano.tensor.frobnicate  # noqa: B018
    with pytest.raises(ImportError, match="frobnicate"):
        from theano.tensor import frobnicate  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match=r"'theano\.frob': symgraph has none"):
        importlib.import_module("theano.frob.nicate")
    assert not hasattr(theano.tensor, "frobnicate")


def test_no_name_of_the_table_is_none():
    for name in MODULES:
        module = importlib.import_module(name)
        for inner in dir(module):
            assert getattr(module, inner) is not None, (name, inner)


def test_star_imports_work():
    space = {}
    exec("from theano.tensor import *", space)
    assert space["dmatrix"] is symgraph.tensor.dmatrix


def test_uninstall_removes_every_module_and_installing_again_works(theano):
    compat.uninstall()
    assert not compat.installed()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("theano.tensor")
    again = compat.install()
    assert importlib.import_module("theano") is again is compat.install()


def test_another_theano_is_not_replaced():
    compat.uninstall()
    sys.modules["theano"] = sys
    try:
        with pytest.raises(NotSupportedError, match="another 'theano' is loaded"):
            compat.install()
    finally:
        del sys.modules["theano"]


def test_names_of_numpy_come_on_request_and_go_again():
    assert "float" not in vars(np)
    compat.install(numpy_names=True)
    assert np.float is float
    assert np.product([2, 3]) == 6
    assert np.asscalar(np.ones((1, 1))) == 1.0
    assert np.cast["int32"]([1.5]).dtype == "int32"
    assert len(np.linspace(0, 1, 3.0)) == 3
    compat.uninstall()
    assert "float" not in vars(np)
    with pytest.raises(TypeError):
        np.linspace(0, 1, 3.0)


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "symgraph.compat", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


def test_a_script_runs_as_main_with_its_arguments(tmp_path: Path):
    script = tmp_path / "old.py"
    (tmp_path / "beside.py").write_text("import theano.tensor as T\n")
    script.write_text(
        "import sys, theano, numpy as np\n"
        "from beside import T\n"
        "if __name__ == '__main__':\n"
        "    print(sys.argv[1:], theano.config.floatX, T.scalar().dtype, np.float)\n"
    )
    done = run(
        "--numpy-names",
        script,
        "a",
        "-b",
        THEANO_FLAGS="floatX=float32,lib.cnmem=1,x=y",
    )
    assert done.stderr == ""
    assert done.stdout == "['a', '-b'] float32 float32 <class 'float'>\n"


def test_a_module_runs_by_name(tmp_path: Path):
    (tmp_path / "old.py").write_text(
        "import theano; print(__name__, theano.__version__)"
    )
    done = run("-m", "old", PYTHONPATH=f"{tmp_path}:{Path.cwd()}")
    assert (done.stderr, done.stdout) == ("", "__main__ 1.0.5\n")


def test_a_missing_script_is_told_with_the_usage(tmp_path: Path):
    done = run(tmp_path / "none.py")
    assert done.returncode == 1
    assert "no such file" in done.stderr
    assert "usage: python -m symgraph.compat" in done.stderr
    assert run().returncode == 1


def test_the_stand_ins_load_nothing_before_it_is_needed():
    code = (
        "import sys, symgraph.tensor, symgraph.compat as c; before = set(sys.modules); "
        "c.install(); new = set(sys.modules) - before; "
        "print(*(n for n in new if not n.startswith('theano')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
