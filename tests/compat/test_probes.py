"""Every row of docs/reference/theano.md is true: the probes run, the dtypes agree."""

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs"


def _module(name):
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


maker = _module("make_theano")
probes, dtypes = maker.theano_probes, maker.theano_dtypes
COUNT = 145


@pytest.mark.parametrize("symbol", sorted(probes.PROBES))
def test_the_name_does_what_its_row_says(theano, symbol):
    probes.PROBES[symbol].body(theano, theano.tensor)


def test_there_is_a_row_for_each_of_the_names():
    assert len(probes.PROBES) == COUNT


def test_dtypes_of_results_are_theano_s_unless_a_reason_is_given():
    here = dtypes.found()
    for text, wanted, why in dtypes.TABLE:
        assert (here[text] != wanted) == bool(why), (text, wanted, here[text])


def test_the_page_is_up_to_date():
    """A row is a symbol and a note; the tests above have tried them."""
    text = maker.PAGE.read_text(encoding="utf-8")
    table = {s: p.differs for s, p in sorted(probes.PROBES.items())}
    assert text == maker.page_of(table), "run: python docs/make_theano.py"


def test_a_probe_that_fails_is_told(theano, monkeypatch):
    def wrong(theano, T):
        assert T.exp is None

    table = {"theano.tensor.exp": probes.Probe("theano.tensor.exp", "", wrong)}
    monkeypatch.setattr(probes, "PROBES", table)
    assert list(probes.try_all(theano)) == ["theano.tensor.exp"]
    with pytest.raises(SystemExit, match="1 probes fail"):
        maker.symbols()
