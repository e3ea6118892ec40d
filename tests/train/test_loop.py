"""The training loop: its bookkeeping with a recorded step, its work with a real one."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, NaNError
from symgraph.train.loop import fit

X, Y = np.arange(10.0).reshape(10, 1), np.arange(10)


class _Step:
    """Stands for a compiled step: remembers how it was called, gives set losses."""

    def __init__(self, losses=(1.0, 1.0, 1.0, 1.0)):
        self.losses = losses
        self.calls = []

    def epoch(self, x, y, batch_size, shuffle):
        self.calls.append((np.array(x), batch_size, shuffle))
        return np.asarray(self.losses)


class _Param:
    """Stands for a shared variable that each epoch changes."""

    def __init__(self):
        self.value = 0

    def get_value(self):
        return self.value

    def set_value(self, value):
        self.value = value


def _fit(step=None, **settings):
    return fit(step or _Step(), X, Y, **{"epochs": 3, "batch_size": 3} | settings)


def test_each_epoch_is_one_call_with_a_seed_of_its_own():
    step = _Step()
    history = _fit(step)
    assert len(step.calls) == len(history.records) == 3
    assert len({shuffle for _, _, shuffle in step.calls}) == 3
    assert [r.epoch for r in history.records] == [1, 2, 3]


def test_the_same_seed_gives_the_same_shuffles():
    first, again, other = _Step(), _Step(), _Step()
    _fit(first, seed=4)
    _fit(again, seed=4)
    _fit(other, seed=5)
    assert [c[2] for c in first.calls] == [c[2] for c in again.calls]
    assert [c[2] for c in first.calls] != [c[2] for c in other.calls]


def test_epoch_loss_weighs_the_short_last_batch_by_its_rows():
    (record,) = _fit(_Step([1.0, 2.0, 3.0, 8.0]), epochs=1).records
    assert record.loss == pytest.approx((3 * 1 + 3 * 2 + 3 * 3 + 1 * 8) / 10)


def test_batch_size_over_the_number_of_rows_is_all_rows():
    step = _Step([2.0])
    (record,) = _fit(step, epochs=1, batch_size=64).records
    assert step.calls[0][1] == 10
    assert record.loss == 2


def test_validation_numbers_and_best_epoch_are_recorded():
    losses = iter([9.0, 0.5, 0.2, 0.4])
    history = _fit(validate=lambda: {"loss": next(losses)})
    assert [r.validation["loss"] for r in history.records] == [0.5, 0.2, 0.4]
    assert history.best == 2
    assert not history.stopped_early


def test_monitored_accuracy_is_best_when_highest():
    values = iter([9.0, 0.5, 0.9, 0.4])
    history = _fit(validate=lambda: {"accuracy": next(values)}, monitor="accuracy")
    assert history.best == 2


def test_patience_ends_training_and_gives_back_the_best_values():
    losses = iter([9.0, 0.5, 0.2, 0.3, 0.4, 0.1])
    param = _Param()
    history = _fit(
        epochs=5,
        validate=lambda: {"loss": next(losses)},
        patience=2,
        params=[param],
        before_epoch=param.set_value,
    )
    assert len(history.records) == 4
    assert history.stopped_early
    assert history.best == param.value == 2


def test_patience_that_runs_out_in_the_last_epoch_is_no_early_stop():
    losses = iter([9.0, 0.1, 0.2, 0.3])
    history = _fit(validate=lambda: {"loss": next(losses)}, patience=2)
    assert len(history.records) == 3
    assert not history.stopped_early


def test_a_validation_without_what_is_monitored_is_told_before_the_first_step():
    step = _Step()
    with pytest.raises(
        ArgumentError, match="monitor = 'accuracy', but validate gave loss"
    ):
        _fit(step, validate=lambda: {"loss": 1.0}, monitor="accuracy")
    assert step.calls == []


@pytest.mark.parametrize(
    "outputs",
    [
        lambda x, loss: [loss, x],
        lambda x, loss: [loss],
        lambda x, loss: {"loss": loss},
        lambda x, loss: loss * x,
        lambda x, loss: None,
    ],
)
def test_a_step_that_gives_no_single_loss_is_told_before_it_changes_anything(outputs):
    x, y, w = T.dmatrix("x"), T.lvector("y"), sg.shared(0.0, name="w")
    loss = (x.sum() * w + y.sum()) ** 2
    step = sg.function(
        [x, y], outputs(x, loss), updates=[(w, w + 1)], on_unused_input="ignore"
    )
    with pytest.raises(ArgumentError, match="expected one output of rank 0"):
        _fit(step)
    assert w.get_value() == 0


def test_progress_within_an_epoch_names_the_epoch():
    x, y, w = T.dmatrix("x"), T.lvector("y"), sg.shared(0.0, name="w")
    step = sg.function(
        [x, y], (x.sum() * w + y.sum()) * 0, updates=[(w, w + 1)], mode="FAST_COMPILE"
    )
    told = []

    def slow(epoch):
        step.epoch, plain = lambda *a, **k: told.append(k) or plain(*a, **k), step.epoch

    fit(step, X, Y, epochs=1, batch_size=1, before_epoch=slow, progress=print)
    assert told[0]["progress"].args == (1,)


def test_callback_that_returns_true_ends_training():
    seen = []

    def callback(record):
        seen.append(record.epoch)
        return record.epoch == 2

    history = _fit(callbacks=[callback])
    assert seen == [1, 2]
    assert history.stopped_early


def test_augment_changes_the_rows_of_each_epoch_only():
    step = _Step()
    _fit(step, augment=lambda x, random: x + random.random())
    assert not np.array_equal(step.calls[0][0], step.calls[1][0])
    assert X[0, 0] == 0


def test_loss_that_is_not_finite_is_a_named_error():
    with pytest.raises(NaNError, match=r"epoch 1 is nan.*learning rate"):
        _fit(_Step([1.0, np.nan, 1.0, 1.0]))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"epochs": 0}, "epochs = 0"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"patience": 0, "validate": dict}, "patience = 0"),
        ({"patience": 1}, "need validate"),
        ({"params": [_Param()]}, "need validate"),
        ({"validate": lambda: {"error": 1.0}}, "monitor = 'loss'.*gave error"),
    ],
)
def test_settings_out_of_range_are_named(settings, text):
    with pytest.raises(ArgumentError, match=text):
        _fit(**settings)


def test_arrays_of_different_length_are_named():
    with pytest.raises(ArgumentError, match="x has 10 rows and y has 9"):
        fit(_Step(), X, Y[:9], epochs=1, batch_size=2)


def test_fit_with_a_compiled_step_finds_the_line_through_points():
    x, y = T.dvectors("x", "y")
    slope, offset = sg.shared(0.0, name="slope"), sg.shared(0.0, name="offset")
    loss = T.mean((slope * x + offset - y) ** 2)
    gradients = sg.grad(loss, [slope, offset])
    updates = [
        (p, p - 0.3 * g) for p, g in zip([slope, offset], gradients, strict=True)
    ]
    step = sg.function([x, y], loss, updates=updates)
    points = np.linspace(-1, 1, 31)
    history = fit(step, points, 3 * points + 0.5, epochs=30, batch_size=8)
    assert history.records[-1].loss < 1e-6 < history.records[0].loss
    assert slope.get_value() == pytest.approx(3, abs=1e-3)
    assert offset.get_value() == pytest.approx(0.5, abs=1e-3)
