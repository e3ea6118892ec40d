"""The picture of a learning curve."""

import numpy as np
import pytest

from symgraph.errors import ArgumentError, NotSupportedError
from symgraph.train.curve import check_plotting, plot_history
from symgraph.train.digits import Settings, train_digits
from symgraph.train.history import History


def _history(epochs, validation=True):
    history = History()
    for epoch in range(1, epochs + 1):
        numbers = {"loss": 1 / epoch, "seconds": 0.01}
        if validation:
            numbers |= {
                "validation_loss": 1.2 / epoch, "validation_accuracy": 1 - 0.5 / epoch
            }  # fmt: skip
        history.append(epoch, numbers)
    history.best = epochs if validation else None
    return history


def _pixels(path):
    from PIL import Image

    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"), int)


@pytest.mark.parametrize("validation", [True, False])
def test_curve_is_a_png_with_lines_in_it(tmp_path, validation):
    path = plot_history(_history(9, validation), tmp_path / "curve.png", "title")
    pixels = _pixels(path)
    blue = np.abs(pixels - [0x1F, 0x5F, 0xA8]).sum(axis=2) < 30
    orange = np.abs(pixels - [0xC8, 0x50, 0x1E]).sum(axis=2) < 30
    assert blue.sum() > 100
    assert (orange.sum() > 100) == validation


def test_curve_with_accuracy_has_a_second_panel(tmp_path):
    wide = _pixels(plot_history(_history(3), tmp_path / "a.png"))
    narrow = _pixels(plot_history(_history(3, validation=False), tmp_path / "b.png"))
    assert wide.shape[1] == 2 * narrow.shape[1]


def test_curve_of_one_epoch_shows_a_point(tmp_path):
    pixels = _pixels(plot_history(_history(1, validation=False), tmp_path / "a.png"))
    assert (np.abs(pixels - [0x1F, 0x5F, 0xA8]).sum(axis=2) < 30).sum() > 20


def test_curve_of_no_epochs_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="no epochs"):
        plot_history(History(), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "start"),
    [("c.png", b"\x89PNG"), ("c.pdf", b"%PDF"), ("c.svg", b"<?xml"), ("c", b"\x89PNG")],
)
def test_the_suffix_decides_the_format(tmp_path, name, start):
    history = _history(1, validation=False)
    assert plot_history(history, tmp_path / name).read_bytes().startswith(start)


def test_another_suffix_is_refused(tmp_path):
    history = _history(1, validation=False)
    with pytest.raises(ArgumentError, match=r"no format \.gif; there are \.png, \.pdf"):
        plot_history(history, tmp_path / "c.gif")


def test_without_matplotlib_no_training_is_begun(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotSupportedError, match="needs matplotlib"):
        check_plotting("curve.png")
    with pytest.raises(NotSupportedError, match="needs matplotlib"):
        train_digits(Settings(epochs=10**6), tmp_path)
