"""A model as a table: layers, shapes, parameters, multiply-adds, memory.

In: a `Model`.  Out: text, drawn by rich.
"""

from __future__ import annotations

import sys
from math import prod
from typing import Any

from symgraph import nn


def multiply_adds(layer: Any) -> int:
    """Multiplications with a weight that a layer makes for one row.

    A dense layer: every weight once. A convolution: every weight once for each place of
    the output. Layers without a matrix of weights: none.

    Examples
    --------
    >>> multiply_adds(nn.layers.DenseLayer((None, 4), 3))
    12
    """
    weights = getattr(layer, "W", None)
    if weights is None or not hasattr(weights, "get_value"):
        return 0
    count = weights.get_value(borrow=True).size
    if isinstance(layer, nn.layers.EmbeddingLayer):
        return 0
    places = 1
    if hasattr(layer, "filter_size"):
        places = prod(n or 1 for n in layer.output_shape[2:])
    return int(count * places)


def rows(layers: list[Any]) -> list[tuple[str, str, str, int, int]]:
    """Name, kind, shape of the output, parameters and multiply-adds of each layer."""
    seen: set[Any] = set()
    found = []
    for layer in layers:
        own = [p for p in layer.get_params() if p not in seen]
        seen.update(own)
        shape = ", ".join("rows" if n is None else str(n) for n in layer.output_shape)
        size = sum(p.get_value(borrow=True).size for p in own)
        name = layer.name or ""
        found.append(
            (name, type(layer).__name__, f"({shape})", size, multiply_adds(layer))
        )
    return found


def summary(model: Any, stream: Any = None) -> None:
    """Print the table of a model; see `Model.summary`."""
    from rich.console import Console
    from rich.table import Table

    layers = nn.layers.get_all_layers([head.layer for head in model.task.heads])
    table = Table()
    for title in ("layer", "kind", "output"):
        table.add_column(title)
    for title in ("parameters", "multiply-adds"):
        table.add_column(title, justify="right")
    lines = rows(layers)
    for name, kind, shape, size, work in lines:
        table.add_row(name, kind, shape, f"{size:,}", f"{work:,}" if work else "")
    table.add_section()
    size, work = sum(row[3] for row in lines), sum(row[4] for row in lines)
    table.add_row("all", "", "", f"{size:,}", f"{work:,}")
    console = Console(file=stream or sys.stdout, width=None if stream is None else 100)
    console.print(table)
    units = sum(prod(n or 1 for n in layer.output_shape[1:]) for layer in layers)
    params: list[Any] = nn.layers.get_all_params(
        [head.layer for head in model.task.heads]
    )
    held = sum(p.get_value(borrow=True).nbytes for p in params)
    losses = ", ".join(head.loss.name for head in model.task.heads)
    rule = model.task.rule.name or "updates of the user"
    rate = (
        ""
        if model.learning_rate is None
        else f", learning rate {model.learning_rate:g}"
    )
    console.print(
        f"loss {losses}; {rule}{rate}; {_bytes(held)} of parameters, "
        f"{units:,} outputs of layers for one row"
    )


def _bytes(count: int) -> str:
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count //= 1000
    return f"{count:,} GB"
