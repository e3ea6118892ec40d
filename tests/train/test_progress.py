"""Progress as plain lines and as a live table."""

import io

from symgraph import nn
from symgraph.train.callbacks import Run
from symgraph.train.progress import ROWS, Progress


def _run(epochs=20):
    layer = nn.layers.DenseLayer(nn.layers.InputLayer((None, 1)), 1)
    run = Run(nn.Model(layer, "squared_error"), epochs, 0)
    run.numbers = {
        "loss": 0.5, "validation_loss": 0.25, "validation_accuracy": 0.75,
        "learning_rate": 0.001, "seconds": 0.01,
    }  # fmt: skip
    return run


def _shown(stream, live, epochs, of=20):
    progress, run = Progress(stream, live), _run(of)
    progress.on_train_begin(run)
    try:
        for epoch in epochs:
            run.epoch = epoch
            progress.on_epoch_end(run)
    finally:
        progress.on_train_end(run)
    return stream.getvalue()


def test_stream_that_is_no_terminal_gets_one_plain_line_per_epoch():
    text = _shown(io.StringIO(), None, (1, 20))
    lines = text.splitlines()
    assert len(lines) == 2
    assert "\x1b" not in text
    assert lines[1] == (
        "epoch 20/20  loss 0.5000  validation loss 0.2500  "
        "validation accuracy 0.7500  rate 0.001  0.010 s"
    )


def test_plain_lines_are_written_at_once():
    stream = io.StringIO()
    progress, run = Progress(stream), _run()
    progress.on_train_begin(run)
    run.epoch = 1
    progress.on_epoch_end(run)
    assert "epoch 1/20" in stream.getvalue()


def test_live_table_shows_the_last_epochs_when_it_ends():
    text = _shown(io.StringIO(), True, range(1, 21))
    assert "validation accuracy" in text
    assert "20/20" in text
    last = text[text.rindex("validation accuracy") :]
    assert f"{20 - ROWS}/20" not in last
    assert f"{21 - ROWS}/20" in last


def test_live_table_shows_the_cursor_again_when_it_ends():
    text = _shown(io.StringIO(), True, (1,))
    assert "1/20" in text
    assert text.rstrip("\n").endswith("\x1b[?25h")


def test_live_table_without_any_epoch_shows_nothing_and_ends():
    assert "epoch" not in _shown(io.StringIO(), True, ())


def test_steps_within_an_epoch_are_shown_on_a_terminal_only(monkeypatch):
    monkeypatch.setattr("symgraph.train.progress.REDRAW_SECONDS", 0.0)
    for live in (True, False):
        stream = io.StringIO()
        progress, run = Progress(stream, live), _run(2)
        assert progress.watches == live
        progress.on_train_begin(run)
        progress.within(1, 1234, 5000)
        run.epoch = 1
        progress.on_epoch_end(run)
        progress.within(2, 7, 5000)
        progress.on_train_end(run)
        assert ("epoch 1: step 1,234 of 5,000" in stream.getvalue()) == live
        assert ("epoch 2: step 7 of 5,000" in stream.getvalue()) == live
