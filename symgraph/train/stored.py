"""Models in files: layers as ``checkpoint.py`` writes them, settings, state of training.

In: a `Model`.  Out: ``NAME.json`` and ``NAME.safetensors``, and back.  A file holds names
and numbers, never code: a loss or metric that is a function of the user's is named in it
and has to be given again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from symgraph.core.node import Variable
from symgraph.data.preprocessing import KNOWN, Preprocessing
from symgraph.errors import ArgumentError, DataError
from symgraph.train.checkpoint import SavedNetwork, load_model, save_model
from symgraph.train.functions import Functions
from symgraph.train.heads import LOSSES, Head
from symgraph.train.history import History
from symgraph.train.measures import METRICS, Metric, metric_of
from symgraph.train.rules import RULES
from symgraph.train.task import Task

#: what stands for a thing that a file can only name
OWN = "of the user"


class Savable(Protocol):
    """What a file holds of a model; `Model` says what each is."""

    functions: Functions
    given: dict[str, Any]
    task: Task
    history: History
    epoch: int
    metadata: dict[str, Any]

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def learning_rate(self) -> float | None: ...


M = TypeVar("M", bound=Savable)


def save(model: Savable, path: str | Path, metadata: Mapping[str, Any] | None) -> Any:
    """Write a model; see `Model.save`."""
    numbers = {
        f"state/{number:03d}/{name}": value
        for number, (name, value) in enumerate(model.functions.state())
    }
    for number, average in enumerate(model.functions.averages.values()):
        numbers[f"average/{number:03d}"] = average.get_value()
    training: dict[str, Any] = {
        "names": list(model.names),
        "loss": [_loss_text(head) for head in model.task.heads],
        "loss_weights": list(model.task.weights),
        "from_logits": model.given["from_logits"],
        "updates": _rule_text(model),
        "learning_rate": model.learning_rate,
        "around": model.task.around.settings(),
        "metrics": [[head, _metric_text(m)] for head, m in model.task.metrics],
        "regularization": _penalty_text(model.given["regularization"]),
        "preprocessing": _preprocessing_text(model.given["preprocessing"], numbers),
        "epoch": model.epoch,
        "history": _history_text(model.history),
    }
    layers = [head.layer for head in model.task.heads]
    return save_model(
        path,
        layers if model.names != ("",) else layers[0],
        {**model.metadata, **(metadata or {})},
        training,
        numbers,
    )


def load(make: Callable[..., M], path: str | Path, settings: dict[str, Any]) -> M:
    """Read a model; see `Model.load`. It is made by `make`, the class."""
    saved = load_model(path)
    training = saved.training
    if not training and "loss" not in settings:
        settings = {"loss": None, **settings}
    try:
        return _model(make, saved, dict(training), settings, path)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(f"{path}: not a valid model: {error!r}") from error


def _model(
    make: Callable[..., M],
    saved: SavedNetwork,
    training: dict[str, Any],
    settings: dict[str, Any],
    path: Any,
) -> M:
    names = training.get("names", [""])
    outputs = list(saved.outputs)
    network = outputs[0] if names == [""] else dict(zip(names, outputs, strict=True))
    several = names != [""]
    found: dict[str, Any] = {"from_logits": training.get("from_logits")}
    if training:
        if "loss" not in settings:
            losses = [_told(each, "loss", path) for each in training["loss"]]
            found["loss"] = (
                dict(zip(names, losses, strict=True)) if several else losses[0]
            )
        if "updates" not in settings:
            found["updates"] = _rule(_told(training["updates"], "updates", path))
        if several:
            found["loss_weights"] = list(training["loss_weights"])
        if "metrics" not in settings:
            found["metrics"] = _metrics(training["metrics"], names, several, path)
        if "regularization" not in settings:
            text = training["regularization"]
            found["regularization"] = _told(text, "regularization", path)
        if "preprocessing" not in settings:
            text = _told(training["preprocessing"], "preprocessing", path)
            found["preprocessing"] = _preprocessing(text, saved.arrays, path)
        found |= training["around"]
        if training["learning_rate"] is not None and "updates" not in settings:
            found["learning_rate"] = training["learning_rate"]
    model = make(network, **{**found, **settings})
    model.metadata = dict(saved.metadata)
    if training:
        model.epoch = int(training["epoch"])
        model.history = _history(training["history"])
        for number, average in enumerate(model.functions.averages.values()):
            average.set_value(saved.arrays[f"average/{number:03d}"])
        state = {n: a for n, a in saved.arrays.items() if n.startswith("state/")}
        if "updates" not in settings:
            model.functions.restore(
                [(name.split("/", 2)[2], state[name]) for name in sorted(state)]
            )
    return model


def _told(text: Any, what: str, path: Any) -> Any:
    """What a file says, where it can say it."""
    if isinstance(text, dict) and OWN in text:
        raise ArgumentError(
            f"{path}: the model was saved with {what} {text[OWN]!r}, a function of yours "
            f"that a file cannot hold; pass it: Model.load(path, {what}=...)"
        )
    return text


def _loss_text(head: Head) -> Any:
    if head.loss.name in LOSSES:
        return head.loss.name
    return {OWN: head.loss.name}


def _rule_text(model: Savable) -> Any:
    rule = model.task.rule
    if rule.name is None:
        return {OWN: getattr(rule.function, "__name__", "updates")}
    for name, value in rule.settings.items():
        if not isinstance(value, bool | int | float | type(None)):
            return {OWN: f"{rule.name}({name}={value!r})"}
    return {"rule": rule.name, "settings": rule.settings}


def _rule(text: Any) -> Any:
    name = text["rule"]
    if name not in RULES:
        raise DataError(f"no updates are called {name!r}")
    settings = text["settings"]
    return functools.partial(RULES[name], **settings) if settings else name


def _metric_text(metric: Metric) -> Any:
    for name, kind in METRICS.items():
        if type(metric) is kind:
            wanted = inspect.signature(kind).parameters
            return {"metric": name, "settings": {n: getattr(metric, n) for n in wanted}}
    return {OWN: metric.name}


def _metrics(texts: Any, names: list[str], several: bool, path: Any) -> Any:
    by_name: dict[str, list[Metric]] = {name: [] for name in names}
    for head, text in texts:
        told = _told(text, "metrics", path)
        if told["metric"] not in METRICS:
            raise DataError(f"{path}: no metric is called {told['metric']!r}")
        made = METRICS[told["metric"]](**told["settings"])
        by_name[names[head]].append(metric_of(made))
    return by_name if several else by_name[names[0]]


def _penalty_text(given: Any) -> Any:
    if given is None or isinstance(given, int | float):
        return given
    if isinstance(given, Mapping):
        return {name: float(value) for name, value in given.items()}
    name = "an expression" if isinstance(given, Variable) else None
    return {OWN: name or getattr(given, "__name__", "regularization")}


def _preprocessing_text(given: Any, numbers: dict[str, np.ndarray]) -> Any:
    if given is None:
        return None
    if not isinstance(given, Preprocessing):
        return {OWN: getattr(given, "__name__", type(given).__name__)}
    for name in given.numbers:
        numbers[f"preprocessing/{name}"] = np.asarray(getattr(given, name), np.float64)
    return type(given).__name__


def _preprocessing(text: Any, arrays: Mapping[str, np.ndarray], path: Any) -> Any:
    if text is None:
        return None
    if text not in KNOWN:
        raise DataError(f"{path}: no preprocessing is called {text!r}")
    kind = KNOWN[text]
    values = {name: arrays[f"preprocessing/{name}"] for name in kind.numbers}
    return kind(**values)


def _history_text(history: History) -> dict[str, Any]:
    columns = {
        name: [_plain(value) for value in column] for name, column in history.items()
    }
    return {"epochs": history.epochs, "columns": columns}


def _history(text: dict[str, Any]) -> History:
    made = History()
    for number, epoch in enumerate(text["epochs"]):
        made.append(
            int(epoch),
            {name: _number(column[number]) for name, column in text["columns"].items()},
        )
    return made


def _plain(value: Any) -> Any:
    """A number that JSON can hold, or lists of them."""
    if np.ndim(value):
        return np.asarray(value).tolist()
    return None if value is None or not np.isfinite(value) else float(value)


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return np.asarray(value)
    return float("nan") if value is None else value
