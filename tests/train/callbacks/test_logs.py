"""A line for each epoch, a picture that grows."""

import pytest

from symgraph.errors import ArgumentError
from symgraph.train.callbacks import CSVLogger, LivePlot


def test_every_epoch_has_a_line(make, rows, tmp_path):
    make(metrics=["accuracy", "confusion_matrix"]).fit(
        *rows, epochs=3, validation=0.2, callbacks=[CSVLogger(tmp_path / "a" / "b.csv")]
    )
    lines = (tmp_path / "a" / "b.csv").read_text().splitlines()
    assert lines[0] == (
        "epoch,loss,accuracy,validation_loss,validation_accuracy,learning_rate,seconds"
    )
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]
    assert all(line.count(",") == 6 for line in lines)


def test_a_file_that_cannot_be_written_is_told_before_the_work(make, rows, tmp_path):
    model = make()
    with pytest.raises(OSError, match="directory"):
        model.fit(*rows, callbacks=[CSVLogger(tmp_path)])
    assert model.epoch == 0


def test_curves_are_drawn_to_a_file(make, rows, tmp_path):
    make().fit(*rows, epochs=2, callbacks=[LivePlot(tmp_path / "curve.png", 0)])
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ArgumentError, match="no format"):
        LivePlot("curve.gif")
