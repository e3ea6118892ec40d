"""Schedules of the learning rate, and the drop on a plateau."""

import numpy as np
import pytest

from symgraph import nn
from symgraph.errors import ArgumentError
from symgraph.train.callbacks import (
    Callback,
    Cosine,
    Exponential,
    LearningRateSchedule,
    Linear,
    OneCycle,
    ReduceLROnPlateau,
    Stairs,
    WarmUp,
)


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        (Linear(), [1.0, 0.75, 0.5, 0.25]),
        (Linear(0.5), [1.0, 0.875, 0.75, 0.625]),
        (Stairs(2, 0.1), [1.0, 1.0, 0.1, 0.1]),
        (Exponential(0.5), [1.0, 0.5, 0.25, 0.125]),
        (Cosine(), [1.0, 0.853553, 0.5, 0.146447]),
        (WarmUp(2, Linear()), [0.0, 0.5, 1.0, 0.5]),
        (WarmUp(2), [0.0, 0.5, 1.0, 1.0]),
        (OneCycle(0.5, start=10), [0.1, 0.55, 1.0, 0.50005]),
        (LearningRateSchedule(lambda done, epochs: done + epochs), [4, 5, 6, 7]),
    ],
)
def test_factors_of_four_epochs(schedule, wanted):
    found = [schedule.factor(float(done), 4.0) for done in range(4)]
    assert found == pytest.approx(wanted, rel=1e-5)


def test_a_schedule_by_epoch_sets_the_rate(make, rows):
    history = make().fit(*rows, epochs=4, callbacks=[Linear(by="epoch")])
    assert history["learning_rate"] == pytest.approx([0.01, 0.0075, 0.005, 0.0025])


def test_a_schedule_by_step_is_that_of_steps_by_hand(make, rows):
    X, y = rows
    model, by_hand = make(updates="sgd"), make(updates="sgd")
    model.fit(X, y, epochs=2, batch_size=10, shuffle=False, callbacks=[Linear()])
    for step in range(8):
        by_hand.learning_rate = 0.01 * (1 - step / 8)
        part = slice(10 * (step % 4), 10 * (step % 4) + 10)
        by_hand.train_on_batch(X[part], y[part])
    for a, b in zip(model.get_weights(), by_hand.get_weights(), strict=True):
        assert a == pytest.approx(b, abs=1e-6)


def test_the_state_of_the_rule_stays_when_a_schedule_joins(make, rows):
    constant = LearningRateSchedule(lambda done, epochs: 1.0)
    model, plain = make(), make()
    model.fit(*rows, epochs=1)
    model.fit(*rows, epochs=1, callbacks=[constant])
    plain.fit(*rows, epochs=2)
    # dropout has other streams in another form of the step; Adam's counter goes on
    steps = [
        dict(m.functions.state())["steps"] for m in (model, plain)
    ]  # fmt: skip
    assert steps[0] == steps[1]


class _Set(Callback):
    order = -1

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, run):
        run.numbers["validation_loss"] = self.values[run.epoch - 1]


def test_a_plateau_lowers_the_rate(make, rows):
    values = _Set([1.0, 1.0, 1.0, 1.0, 1.0, 0.1])
    drop = ReduceLROnPlateau(factor=0.5, patience=2, smallest=0.004)
    history = make().fit(*rows, epochs=6, callbacks=[values, drop])
    rates = [0.01, 0.01, 0.01, 0.005, 0.005, 0.004]
    assert history["learning_rate"] == pytest.approx(rates)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Linear(by="batch"), "by='batch', expected"),
        (lambda: Stairs(0), "every = 0"),
        (lambda: WarmUp(0), "warm = 0"),
        (lambda: OneCycle(1.5), "rise = 1.5"),
        (lambda: ReduceLROnPlateau(factor=2), "factor = 2"),
        (lambda: LearningRateSchedule(0.5), "factor=0.5 is no function"),
    ],
)
def test_settings_out_of_range(build, text):
    with pytest.raises(ArgumentError, match=text):
        build()


def test_what_has_no_rate_or_two_schedules_is_refused(make, rows):
    with pytest.raises(ArgumentError, match="2 schedules of one learning rate"):
        make().fit(*rows, callbacks=[Linear(), Cosine()])
    own = make(
        updates=lambda loss, params: nn.updates.sgd(loss, params, 0.1),
        learning_rate=None,
    )
    with pytest.raises(ArgumentError, match="updates take no learning rate"):
        own.fit(*rows, callbacks=[Linear()])
    X, y = rows
    with pytest.raises(
        ArgumentError, match="how many batches an epoch has is not known"
    ):
        make().fit(lambda: iter([(X, y)]), callbacks=[Linear()])
    negative = LearningRateSchedule(lambda done, epochs: -1.0)
    with pytest.raises(ArgumentError, match=r"the factor is -1.0 after 0 epochs"):
        make().fit(*rows, callbacks=[negative])
    assert np.isfinite(make().fit(*rows, callbacks=[Linear()])["loss"][0])
