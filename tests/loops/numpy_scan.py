"""`scan` in thirty lines of NumPy: what the front end and both backends must give.

It follows the words of `scan`'s docstring alone: which rows a step gets, how many steps
there are, and which rows come out.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

#: (array, taps) of a sequence; (rows before the first step, taps) of an output, or None
Sequence_ = tuple[np.ndarray, Sequence[int]]
Info = tuple[np.ndarray, Sequence[int]] | None


def numpy_scan(
    step: Callable[..., tuple[Sequence[Any], bool]],
    sequences: Sequence[Sequence_],
    infos: Sequence[Info],
    n_steps: int | None = None,
    go_backwards: bool = False,
) -> list[np.ndarray]:
    """The outputs of a loop whose step gives its outputs, and whether it is the last."""
    columns = []
    for x, taps in sequences:
        low, high = min(*taps, 0), max(*taps, 0)
        count = len(x) - (high - low)
        some = [[x[t - low + tap] for t in range(count)] for tap in taps]
        columns += [column[::-1] if go_backwards else column for column in some]
    steps = min(map(len, columns)) if n_steps is None else n_steps
    assert all(len(column) >= steps for column in columns)
    histories = [None if info is None else list(info[0][: -min(info[1])])
                 for info in infos]  # fmt: skip
    lengths = [0 if history is None else len(history) for history in histories]
    made: list[list[Any]] = [[] for _ in infos]
    for t in range(steps):
        rows = [column[t] for column in columns]
        for history, info, length in zip(histories, infos, lengths, strict=True):
            if history is not None and info is not None:
                rows += [history[length + t + tap] for tap in info[1]]
        outputs, last = step(*rows)
        for history, rows_made, out in zip(histories, made, outputs, strict=True):
            rows_made.append(out)
            if history is not None:
                history.append(out)
        if last:
            break
    return [np.array(rows_made, float) for rows_made in made]
