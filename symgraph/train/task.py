"""What a model is to learn, from what the user says of it.

In: the arguments of `Model`.  Out: a `Task`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from symgraph import nn
from symgraph.core.node import Variable
from symgraph.core.record import Record
from symgraph.errors import ArgumentError
from symgraph.train.heads import Head
from symgraph.train.measures import Metric, metric_of
from symgraph.train.rules import Around, Rule


class Task(Record):
    """What a model is to learn.

    Attributes
    ----------
    inputs : input layers
    heads : one for each output
    names : of the outputs, "" where there is one only
    weights : of the losses
    metrics : (number of the head, metric)
    penalty : gives a scalar expression that is added to the loss, None without
    prepare : changes each input's expression first, None without
    targets : variables of a loss that is an expression
    """

    inputs: tuple[Any, ...]
    heads: tuple[Head, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...]
    metrics: tuple[tuple[int, Metric], ...]
    rule: Rule
    around: Around
    penalty: Callable[[], Any] | None = None
    prepare: Callable[[Any], Any] | None = None
    targets: tuple[Any, ...] = ()


def outputs_of(network: Any) -> tuple[tuple[str, ...], list[Any]]:
    """Names and layers of the outputs."""
    if isinstance(network, Mapping):
        names, layers = list(network), list(network.values())
    elif isinstance(network, list | tuple):
        layers = list(network)
        names = [
            getattr(layer, "name", None) or f"output{number}"
            for number, layer in enumerate(layers)
        ]
    else:
        names, layers = [""], [network]
    for layer in layers:
        if not isinstance(layer, nn.layers.Layer):
            raise ArgumentError(
                f"Model: {layer!r} is a {type(layer).__name__}, expected an output layer "
                "of symgraph.nn.layers"
            )
    if not layers or len(set(names)) != len(names):
        raise ArgumentError(f"Model: outputs need names of their own, not {names}")
    return (("",) if len(layers) == 1 else tuple(names)), layers


def metrics_of(
    given: Any, heads: tuple[Head, ...], all_names: tuple[str, ...]
) -> tuple[tuple[int, Metric], ...]:
    if isinstance(given, str | Metric) or callable(given):
        given = [given]
    if isinstance(given, Mapping):
        by_head = [given.get(name, ()) for name in all_names]
    else:
        by_head = [given] * len(heads)
    found = []
    for number, (head, names) in enumerate(zip(heads, by_head, strict=True)):
        for name in [names] if isinstance(names, str) else names:
            metric = metric_of(name)
            metric.check(head)
            found.append((number, metric))
    return tuple(found)


def penalty_of(given: Any, layers: list[Any], network: Any) -> Callable[[], Any] | None:
    """What makes the penalty's expression."""
    if given is None:
        return None
    if isinstance(given, Variable):
        return lambda: given
    if isinstance(given, Mapping):
        known = {"l1": nn.regularization.l1, "l2": nn.regularization.l2}
        if wrong := set(given) - set(known):
            raise ArgumentError(
                f"Model: regularization has {sorted(wrong)}, expected 'l1' and 'l2'"
            )
        parts = [(float(given[name]), known[name]) for name in given]
    elif isinstance(given, float | int) and not isinstance(given, bool):
        parts = [(float(given), nn.regularization.l2)]
    elif callable(given):
        return lambda: given(network)
    else:
        raise ArgumentError(
            f"Model: regularization={given!r}, expected a number, {{'l1': ..., "
            "'l2': ...}}, a function of the network, or an expression"
        )
    for share, _ in parts:
        if not 0 <= share < float("inf"):
            raise ArgumentError(f"Model: regularization = {share}, must be 0 or more")

    def made() -> Any:
        total: Any = 0
        for share, penalty in parts:
            found = nn.regularization.regularize_network_params(layers, penalty)
            total = total + share * found
        return total

    return made if any(share for share, _ in parts) else None


def target_variables(given: Any, heads: tuple[Head, ...]) -> tuple[Any, ...]:
    expressions = [head for head in heads if head.expression is not None]
    if not expressions:
        return ()
    if given is None:
        raise ArgumentError(
            "Model: the loss is an expression; say which variable of it the targets are: "
            "targets=y"
        )
    return tuple(given) if isinstance(given, list | tuple) else (given,)
