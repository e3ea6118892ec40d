"""A callback that writes what TensorBoard shows: curves, histograms, pictures, the graph.

In: a training.  Out: event files in a folder of the run; the format is
``event_file.py``'s.  ``tensorboard --logdir FOLDER`` shows all runs of a folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from symgraph import nn
from symgraph.errors import ArgumentError
from symgraph.train import event_file
from symgraph.train.callbacks.base import Callback, Run

#: filters that a picture shows, and pixels of a side at least
FILTERS, SIDE = 64, 64


class TensorBoard(Callback):
    """Writes curves, histograms, pictures, the graph and hyper-parameters.

    Always: every number of an epoch, metrics that are matrices as pictures, the graph of
    layers, the hyper-parameters. Gradients and activations are those of one batch of the
    epoch, without dropout, at the weights after it.

    Parameters
    ----------
    folder : holds a folder for each run
    run_id : name of that folder, by default the time; a training that goes on after it was
        killed (`Resume`) needs the same name again
    verbosity : 0 no histograms; 1 of the gradients; 2 of the weights too, and the filters
        of the first layer as a picture; 3 of the layers' outputs too, with the share of
        zeros among them
    every : epochs between two histograms
    images : function of the model that gives name → picture, uint8 (rows, columns) or
        (rows, columns, 3)
    hyperparameters : more of them, name → number, text or bool

    Attributes
    ----------
    path : folder of the run

    Examples
    --------
    >>> TensorBoard("runs", run_id="first", verbosity=2).path.as_posix()
    'runs/first'
    """

    order = 80

    def __init__(
        self,
        folder: str | Path,
        run_id: str | None = None,
        verbosity: int = 0,
        every: int = 1,
        images: Callable[[Any], Mapping[str, Any]] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        if verbosity not in (0, 1, 2, 3):
            raise ArgumentError(
                f"TensorBoard: verbosity={verbosity!r}, expected 0 to 3"
            )
        if isinstance(every, bool) or every < 1:
            raise ArgumentError(f"TensorBoard: every = {every}, must be 1 or more")
        if images is not None and not callable(images):
            raise ArgumentError(
                f"TensorBoard: images={images!r}, expected a function of the model"
            )
        name = time.strftime("%Y-%m-%d_%H-%M-%S") if run_id is None else run_id
        self.path = Path(folder) / name
        self.verbosity = verbosity
        self.every = every
        self.images = images
        self.hyperparameters = dict(hyperparameters or {})
        self._file: Any = None

    @property
    def deferrable(self) -> bool:  # type: ignore[override]
        """Numbers alone may be told later."""
        return self.verbosity == 0 and self.images is None

    # --- when ---------------------------------------------------------------------------

    def on_train_begin(self, run: Run) -> None:
        """Open the file, write the graph and what the training was told."""
        self._file = event_file.EventFile(
            self.path, run.epoch + 1 if run.epoch else None
        )
        self._file.graph(nodes(run.model))
        settings = {**settings_of(run), **self.hyperparameters}
        metrics = ["loss"]
        metrics += [metric.name for _, metric in run.model.task.metrics]
        metrics += [f"validation_{name}" for name in metrics]
        self._file.values(
            [
                event_file.experiment(settings, metrics),
                event_file.session_start(settings),
            ],
            0,
        )

    def on_epoch_end(self, run: Run) -> None:
        """Write the numbers, and what else it is time for."""
        values = []
        for name, number in run.numbers.items():
            if not np.ndim(number):
                values.append(event_file.scalar(name, float(number)))
            elif np.ndim(number) == 2:
                values.append(event_file.image(name, table(np.asarray(number))))
        if run.epoch % self.every == 0 or run.epoch == run.last:
            values += self._looked(run)
        self._file.values(values, run.epoch)

    def on_train_end(self, run: Run) -> None:
        """Close the file."""
        self._file.values([event_file.session_end()], run.epoch)
        self._file.close()

    # --- what ---------------------------------------------------------------------------

    def _looked(self, run: Run) -> list[bytes]:
        model, values = run.model, []
        if self.verbosity >= 1:
            batch = run.batch()
            function = model.functions.gradients(batch.signature)
            params = tags(model, model.functions.params)
            for tag, gradient in zip(params, function(*batch.all), strict=True):
                values.append(event_file.histogram(f"gradient/{tag}", gradient))
        if self.verbosity >= 2:
            params = model.functions.params
            for tag, param in zip(tags(model, params), params, strict=True):
                value = param.get_value(borrow=True)
                values.append(event_file.histogram(f"weight/{tag}", value))
            picture = filters(model)
            if picture is not None:
                values.append(event_file.image("filters", picture))
        if self.verbosity >= 3:
            batch = run.batch()
            dtypes = tuple(a.dtype.name for a in batch.inputs)
            outputs = model.functions.activations(dtypes)(*batch.inputs)
            for name, output in zip(names(model).values(), outputs, strict=True):
                values.append(event_file.histogram(f"activation/{name}", output))
                zeros = float(np.mean(output == 0))
                values.append(event_file.scalar(f"zeros/{name}", zeros))
        if self.images is not None:
            for name, picture in self.images(model).items():
                values.append(event_file.image(name, _picture(name, picture)))
        return values


def settings_of(run: Run) -> dict[str, Any]:
    """Hyper-parameters that a model and its training know of themselves."""
    model = run.model
    rule = model.task.rule
    found: dict[str, Any] = {
        "updates": rule.name or getattr(rule.function, "__name__", "own"),
        "learning_rate": model.learning_rate,
        "batch_size": run.batch_size,
        "loss": ", ".join(head.loss.name for head in model.task.heads),
        "parameters": sum(
            p.get_value(borrow=True).size for p in model.functions.params
        ),
        "seed": run.seed,
    }
    for name, value in {**rule.settings, **model.task.around.settings()}.items():
        if isinstance(value, bool | int | float | str):
            found[name] = value
    regularization = model.given["regularization"]
    if isinstance(regularization, int | float):
        found["regularization"] = regularization
    return {name: value for name, value in found.items() if value is not None}


def names(model: Any) -> dict[Any, str]:
    """A name for each layer, its own or its kind with a number; no two are alike."""
    found: dict[Any, str] = {}
    taken: set[str] = set()
    for layer in nn.layers.get_all_layers([head.layer for head in model.task.heads]):
        base = layer.name or type(layer).__name__
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        found[layer] = name
    return found


def tags(model: Any, params: list[Any]) -> list[str]:
    """``layer/parameter`` for each parameter, no two alike."""
    owner: dict[Any, str] = {}
    for layer, name in names(model).items():
        for number, param in enumerate(layer.get_params()):
            short = (param.name or f"parameter{number}").rsplit(".", 1)[-1]
            owner.setdefault(param, f"{name}/{short}")
    found: list[str] = []
    for param in params:
        tag = owner[param]
        found.append(tag if tag not in found else f"{tag}_{found.count(tag) + 1}")
    return found


def nodes(model: Any) -> list[bytes]:
    """The layers as nodes of a graph, each with its parameters inside."""
    known = names(model)
    place = {}
    made = []
    for layer, name in known.items():
        params = layer.get_params()
        place[layer] = f"{name}/{type(layer).__name__}" if params else name
        inside = []
        for param, tag in zip(params, tags(model, params), strict=True):
            inside.append(f"{name}/{tag.rsplit('/', 1)[-1]}")
            shape = param.get_value(borrow=True).shape
            made.append(event_file.node(inside[-1], "Parameter", (), shape))
        below = getattr(layer, "input_layers", None) or [
            getattr(layer, "input_layer", None)
        ]
        inputs = [place[each] for each in below if each is not None]
        made.append(
            event_file.node(
                place[layer], type(layer).__name__, inputs + inside, layer.output_shape
            )
        )
    return made


def table(numbers: np.ndarray) -> np.ndarray:
    """A matrix of counts as a picture, each row from 0 (black) to all of it (white)."""
    rows = np.nan_to_num(numbers.astype(np.float64))
    share = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-300)
    return _large(np.round(255 * share).clip(0, 255).astype(np.uint8))


def filters(model: Any) -> np.ndarray | None:
    """Weights of the first layer that has some, one square for each unit.

    None where they are no pictures: a dense layer over inputs that are none.
    """
    for layer in nn.layers.get_all_layers([head.layer for head in model.task.heads]):
        weights = getattr(layer, "W", None)
        if weights is None or not hasattr(weights, "get_value"):
            continue
        W = weights.get_value()
        below = getattr(layer, "input_layer", None)
        if W.ndim == 4:
            squares = W
        elif W.ndim == 2 and below is not None and len(below.output_shape) == 4:
            squares = W.T.reshape(-1, *below.output_shape[1:])
        else:
            return None
        colours = squares.shape[1] == 3
        squares = squares[:FILTERS].transpose(0, 2, 3, 1)
        return _large(_tiled(squares if colours else squares[..., :1]))
    return None


def _tiled(squares: np.ndarray) -> np.ndarray:
    """Squares beside and below one another, each from its least to its largest number."""
    count, height, width, colours = squares.shape
    low = squares.min(axis=(1, 2, 3), keepdims=True)
    high = squares.max(axis=(1, 2, 3), keepdims=True)
    grey = 255 * (squares - low) / np.maximum(high - low, 1e-12)
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    sheet = np.full((rows, height + 1, columns, width + 1, colours), 128.0)
    for number, square in enumerate(grey):
        row, column = divmod(number, columns)
        sheet[row, :height, column, :width] = square
    made = sheet.reshape(rows * (height + 1), columns * (width + 1), colours)
    made = np.round(made).astype(np.uint8)
    return made if colours == 3 else made[..., 0]


def _large(picture: np.ndarray) -> np.ndarray:
    """The picture with each pixel as a square, where it is small."""
    times = max(1, -(-SIDE // max(picture.shape[:2])))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _picture(name: str, given: Any) -> np.ndarray:
    picture = np.asarray(given)
    shaped = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    if picture.dtype != np.uint8 or not shaped or not picture.size:
        raise ArgumentError(
            f"TensorBoard: the picture {name!r} is {picture.dtype} {picture.shape}, "
            "expected uint8 (rows, columns) or (rows, columns, 3)"
        )
    return picture
