"""Progress as plain lines and as a live table."""

import io

from symgraph.train.loop import EpochRecord
from symgraph.train.progress import ROWS, Progress


def _record(epoch, epochs=20):
    return EpochRecord(epoch, epochs, 0.5, 0.01, {"loss": 0.25, "accuracy": 0.75})


def test_stream_that_is_no_terminal_gets_one_plain_line_per_epoch():
    stream = io.StringIO()
    with Progress(stream) as progress:
        for epoch in (1, 2):
            progress(_record(epoch))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "\x1b" not in stream.getvalue()
    assert lines[1] == (
        "epoch 2/20  loss 0.5000  validation loss 0.2500  "
        "validation accuracy 0.7500  0.010 s"
    )


def test_plain_lines_are_written_at_once():
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress(_record(1))
        assert "epoch 1/20" in stream.getvalue()


def test_live_table_shows_the_last_epochs_when_it_ends():
    stream = io.StringIO()
    with Progress(stream, live=True) as progress:
        for epoch in range(1, 21):
            progress(_record(epoch))
    text = stream.getvalue()
    assert "validation accuracy" in text
    assert "20/20" in text
    last = text[text.rindex("validation accuracy") :]
    assert f"{20 - ROWS}/20" not in last
    assert f"{21 - ROWS}/20" in last


def test_live_table_of_a_training_that_fails_is_closed():
    stream = io.StringIO()
    try:
        with Progress(stream, live=True) as progress:
            progress(_record(1))
            raise RuntimeError("stop")
    except RuntimeError:
        pass
    assert "1/20" in stream.getvalue()
    assert stream.getvalue().rstrip("\n").endswith("\x1b[?25h")  # cursor shown again


def test_live_table_without_any_epoch_shows_nothing_and_ends():
    stream = io.StringIO()
    with Progress(stream, live=True):
        pass
    assert "epoch" not in stream.getvalue()


def test_steps_within_an_epoch_are_shown_on_a_terminal_only(monkeypatch):
    monkeypatch.setattr("symgraph.train.progress.REDRAW_SECONDS", 0.0)
    for live in (True, False):
        stream = io.StringIO()
        with Progress(stream, live=live) as progress:
            progress.within(1, 1234, 5000)
            progress(EpochRecord(1, 2, 0.5, 0.1))
            progress.within(2, 7, 5000)
        assert ("epoch 1: step 1,234 of 5,000" in stream.getvalue()) == live
        assert ("epoch 2: step 7 of 5,000" in stream.getvalue()) == live
