"""The programs in Theano's API of examples/theano run and learn."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from symgraph import compat, config

FOLDER = Path(__file__).parents[2] / "examples" / "theano"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.fixture(autouse=True)
def _theano(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    with config.override(floatX="float32"):
        compat.install()
        yield
        compat.uninstall()
    for name in NAMES:
        sys.modules.pop(name, None)


def run(name, *arguments):
    return importlib.import_module(name).main([str(a) for a in arguments])


def test_every_program_is_short_and_tells_how_to_run_it():
    assert len(NAMES) == 8
    for name in NAMES:
        text = (FOLDER / f"{name}.py").read_text()
        assert len(text.splitlines()) <= 130, name
        assert text.startswith('"""'), name
        assert "import theano" in text, name
        assert (
            name == "digits_data"
            or f"symgraph.compat examples/theano/{name}.py" in text
        )


@pytest.mark.parametrize(
    ("name", "arguments", "bound"),
    [
        ("logistic_regression", ("--epochs", 2), 1.2),
        ("mlp", ("--epochs", 2), 1.2),
        ("convolutional_mlp", ("--epochs", 2), 1.9),
        ("denoising_autoencoder", ("--epochs", 2), 22),
        ("lstm", ("--steps", 20, "--length", 6, "--size", 8), 0.4),
    ],
)
def test_the_loss_falls(capsys, name, arguments, bound):
    losses = run(name, *arguments)
    assert losses[-1] < bound < max(losses)
    assert capsys.readouterr().out


def test_the_likelihood_of_the_boltzmann_machine_rises(capsys):
    first, second = run("rbm", "--epochs", 2, "--steps", 2)
    assert -40 < first < second < -10
    assert "log pseudo-likelihood" in capsys.readouterr().out


def test_hybrid_monte_carlo_finds_the_covariance(capsys):
    wanted, found = run("hybrid_monte_carlo", "--samples", 150)
    np.testing.assert_allclose(found, wanted, atol=0.15)
    assert "acceptance 0.9" in capsys.readouterr().out
