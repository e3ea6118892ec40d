"""What each layer of a model costs: ``symgraph time``, as Caffe's command of that name.

In: a model and a number of rows.  Out: for each layer the time forward (its output) and
backward (the gradients of its inputs and parameters), and the whole network, which costs
less than its layers together where they fuse.

References
----------
caffe.berkeleyvision.org, tutorial "Interfaces": ``caffe time``
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.core.record import Record
from symgraph.errors import ArgumentError
from symgraph.train.heads import LABELS
from symgraph.train.model import Model
from symgraph.train.rules import rate_dtype
from symgraph.train.summary import multiply_adds

#: seconds that each function is measured for at least, and calls
LEAST, CALLS = 0.05, 5
#: what stands for an extent that a network leaves open, beside the rows
OPEN = 32


class LayerTime(Record):
    """The cost of one layer for all rows.

    Attributes
    ----------
    name, kind, shape : of the layer and of its output
    forward, backward : seconds, medians; backward None where nothing is to be derived
    work : multiply-adds of all rows, forward
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    forward: float
    backward: float | None
    work: int


def layer_times(model: Model, rows: int) -> list[LayerTime]:
    """Time each layer alone, on random numbers."""
    layers = nn.layers.get_all_layers([head.layer for head in model.task.heads])
    dtype = rate_dtype(nn.layers.get_all_params(layers))
    return [
        _layer_time(layer, rows, dtype)
        for layer in layers
        if not isinstance(layer, nn.layers.InputLayer)
    ]


def _layer_time(layer: Any, rows: int, dtype: str) -> LayerTime:
    several = hasattr(layer, "input_layers")
    below = layer.input_layers if several else [layer.input_layer]
    shapes = layer.input_shapes if several else [layer.input_shape]
    params = [p for p in layer.get_params() if p.dtype.startswith("float")]
    xs: list[Any] = []
    for number, (each, shape) in enumerate(zip(below, shapes, strict=True)):
        whole = isinstance(each, nn.layers.InputLayer)
        kind = each.input_var.dtype if whole else dtype
        xs.append(T.TensorType(kind, (None, *shape[1:]))(f"x{number}"))
    output = layer.get_output_for(xs if several else xs[0], deterministic=True)
    values = [_values(x, shape, rows) for x, shape in zip(xs, shapes, strict=True)]
    forward = sg.function(xs, output, name="forward", on_unused_input="ignore")
    made = forward(*values)
    wrt = [x for x in xs if x.dtype.startswith("float")]
    wrt += [p for p in params if p in layer.get_params(trainable=True)]
    backward = None
    if wrt and output.dtype.startswith("float"):
        g = T.TensorType(output.dtype, output.type.shape)("g")
        found = sg.grad(
            None, wrt, known_grads={output: g}, disconnected_inputs="ignore"
        )
        function = sg.function(
            [*xs, g], found, name="backward", on_unused_input="ignore"
        )
        inputs = [*values, np.ones_like(made)]
        backward = seconds(lambda: function(*inputs))
    return LayerTime(
        name=layer.name or "",
        kind=type(layer).__name__,
        shape=tuple(made.shape),
        forward=seconds(lambda: forward(*values)),
        backward=backward,
        work=multiply_adds(layer) * rows,
    )


def model_times(model: Model, rows: int) -> tuple[float, float]:
    """Seconds of a prediction of some rows, and of a training step."""
    inputs = [
        _values(layer.input_var, layer.shape, rows) for layer in model.task.inputs
    ]
    random = np.random.default_rng(0)
    targets: list[Any] = []
    for head in model.task.heads:
        shape = (rows, *(n or OPEN for n in head.shape[1:]))
        if head.loss.targets == LABELS:
            targets.append(random.integers(0, shape[-1], shape[:-1]))
        else:
            targets.append(random.random(shape))
    y = targets if len(targets) > 1 else targets[0]
    X = inputs if len(inputs) > 1 else inputs[0]
    model = model.copy()  # the weights of the caller's stay
    arrays = model.intake.arrays(X, y, None, None)
    dtypes = tuple(a.dtype.name for a in arrays.inputs)
    what = "probabilities" if model.task.heads[0].is_classifier else "answers"
    predict = model.functions.prediction(dtypes, what)
    step = model.functions.step(arrays.signature).function
    return (
        seconds(lambda: predict(*arrays.inputs)),
        seconds(lambda: step(*arrays.all)),
    )


def seconds(call: Callable[[], Any]) -> float:
    """Median time of a call, after one that is not counted."""
    call()
    found: list[float] = []
    while len(found) < CALLS or sum(found) < LEAST:
        before = time.perf_counter()
        call()
        found.append(time.perf_counter() - before)
    return float(np.median(found))


def _values(x: Any, shape: tuple[int | None, ...], rows: int) -> np.ndarray:
    if shape[0] not in (None, rows):
        raise ArgumentError(
            f"time: the network takes {shape[0]} rows at once; use --batch-size {shape[0]}"
        )
    extents = (rows, *(n or OPEN for n in shape[1:]))
    if not x.dtype.startswith("float"):
        return np.zeros(extents, x.dtype)
    return np.random.default_rng(0).random(extents).astype(x.dtype)


# --- the command ----------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``time``."""
    parser.add_argument("model", metavar="MODEL", help="folder or file of a model")
    parser.add_argument(
        "--batch-size",
        type=int,
        default=64,
        metavar="N",
        help="rows at once (default 64)",
    )


def run(options: argparse.Namespace) -> None:
    """``symgraph time``."""
    if options.batch_size < 1:
        raise ArgumentError(
            f"time: batch_size = {options.batch_size}, must be 1 or more"
        )
    model = Model.load(options.model)
    found = layer_times(model, options.batch_size)
    total = sum(each.forward + (each.backward or 0.0) for each in found)
    lines = [
        f"{'layer':<24}{'output':<20}{'forward':>12}{'backward':>12}{'share':>8}"
        f"{'GFLOP/s':>9}"
    ]
    for each in found:
        name = f"{each.name} {each.kind}".strip()
        shape = " x ".join(map(str, each.shape))
        backward = "" if each.backward is None else _time(each.backward)
        share = (each.forward + (each.backward or 0.0)) / total
        speed = f"{2 * each.work / each.forward / 1e9:.1f}" if each.work else ""
        lines.append(
            f"{name[:23]:<24}{shape:<20}{_time(each.forward):>12}{backward:>12}"
            f"{share:>8.1%}{speed:>9}"
        )
    forward = sum(each.forward for each in found)
    lines.append(
        f"{'layers, each alone':<44}{_time(forward):>12}{_time(total - forward):>12}"
    )
    predict, step = model_times(model, options.batch_size)
    lines.append(f"{'network: prediction':<44}{_time(predict):>12}")
    lines.append(f"{'network: training step':<44}{_time(step):>12}")
    lines.append(
        f"{options.batch_size} rows: {options.batch_size / predict:,.0f} predictions and "
        f"{options.batch_size / step:,.0f} training rows a second"
    )
    sys.stdout.write("\n".join(lines) + "\n")


def _time(value: float) -> str:
    return f"{value * 1e3:.3f} ms" if value >= 1e-3 else f"{value * 1e6:.1f} us"
