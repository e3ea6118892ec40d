"""Data sets and mini-batches: NumPy arrays in, NumPy arrays out, no symbolic graph.

``digits`` is bundled with the package; ``mnist`` and ``idx`` read files that the user
has; ``toy`` makes small problems; ``batches`` cuts arrays into mini-batches.
"""

from symgraph.data.batches import iterate_minibatches
from symgraph.data.digits import Digits, Split, load_digits, split
from symgraph.data.idx import read_idx, write_idx
from symgraph.data.mnist import Mnist, load_mnist
from symgraph.data.toy import gate, gate_names, moons

__all__ = [
    "Digits",
    "Mnist",
    "Split",
    "gate",
    "gate_names",
    "iterate_minibatches",
    "load_digits",
    "load_mnist",
    "moons",
    "read_idx",
    "split",
    "write_idx",
]
