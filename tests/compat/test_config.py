"""``theano.config``: which flags are symgraph's, which are refused, which are idle."""

import pytest

import symgraph
from symgraph.compat.theano import config as flags
from symgraph.errors import ConfigError, NotSupportedError, SymgraphWarning


def test_float_x_is_the_setting_of_symgraph(theano):
    with theano.config.change_flags(floatX="float32"):
        assert symgraph.config.floatX == theano.config.floatX == "float32"
        assert theano.tensor.matrix().dtype == "float32"
    assert theano.config.floatX == "float64"
    with pytest.raises(ConfigError, match="float16"):
        theano.config.floatX = "float16"


def test_change_flags_is_a_decorator_too():
    from theano.configparser import change_flags

    @change_flags(floatX="float32", exception_verbosity="high")
    def made(depth):
        import theano

        if depth:
            return made(depth - 1)
        return theano.config.floatX, theano.config.exception_verbosity

    assert made(2) == ("float32", "high")
    assert symgraph.config.floatX == "float64"


def test_a_refused_flag_leaves_the_others_as_they_were(theano):
    change = theano.configparser.change_flags(floatX="float32", cast_policy="numpy")
    with pytest.raises(NotSupportedError, match="cast_policy"), change:
        pass
    assert theano.config.floatX == "float64"


def test_flags_of_sections_are_read_and_written(theano):
    assert theano.config.blas.ldflags == ""
    theano.config.warn.subtensor_merge_bug = True
    assert theano.config.warn.subtensor_merge_bug is True
    theano.config.warn.subtensor_merge_bug = False
    assert "ldflags = ''" in repr(theano.config.blas)


def test_an_unknown_flag_raises_and_names_itself(theano):
    with pytest.raises(AttributeError, match=r"theano\.config\.warn\.frob"):
        theano.config.warn.frob  # noqa: B018
    with pytest.raises(AttributeError, match=r"theano\.config\.frob"):
        theano.config.frob = 3


def test_modes_have_theano_s_names(theano):
    with theano.config.change_flags(mode="DebugMode"):
        assert symgraph.config.mode == "DEBUG"
    assert theano.config.mode == "FAST_RUN"
    with pytest.raises(NotSupportedError):
        theano.config.mode = theano.compile.mode.Mode("py")


def test_the_environment_may_name_unknown_flags(monkeypatch):
    monkeypatch.setenv(
        flags.FLAGS, "allow_gc=False,dnn.frob=1,gcc.cxxflags='-O1', floatX=float32"
    )
    with symgraph.config.override():
        flags.read_flags()
        assert symgraph.config.floatX == "float32"
        symgraph.config.floatX = "float64"
    assert flags.config.allow_gc is False
    assert flags.config.gcc.cxxflags == "-O1"
    flags.write("allow_gc", True)
    flags.write("gcc.cxxflags", "")


def test_a_gpu_in_the_environment_is_told_to_be_absent(monkeypatch):
    monkeypatch.setenv(flags.FLAGS, "device=cuda0")
    with pytest.warns(SymgraphWarning, match="computes on the CPU"):
        flags.read_flags()
    assert flags.config.device == "cpu"


def test_half_precision_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv(flags.FLAGS, "floatX=float16")
    with pytest.raises(ConfigError, match="float16"):
        flags.read_flags()
