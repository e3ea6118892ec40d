"""Data sets, mini-batches, preprocessing: NumPy arrays in, NumPy arrays out.

``digits`` is bundled with the package; ``mnist``, ``cifar10`` and ``idx`` read files that
the user has or that are downloaded; ``images`` reads folders and archives of pictures,
``picture_stream`` those that do not fit into memory;
``tables`` CSV files and archives of arrays; ``toy`` makes small problems; ``batches`` cuts
arrays into mini-batches; ``preprocessing`` scales and centres what goes into a network.
"""

from symgraph.data.batches import iterate_minibatches
from symgraph.data.cifar10 import download_cifar10, load_cifar10
from symgraph.data.digits import Digits, Split, load_digits, split
from symgraph.data.idx import read_idx, write_idx
from symgraph.data.image_set import ImageSet, held_out
from symgraph.data.images import load_image_folder
from symgraph.data.mnist import Mnist, download_mnist, load_mnist, load_mnist_images
from symgraph.data.picture_stream import PictureStream, stream_image_folder
from symgraph.data.preprocessing import Preprocessing, Rescale, Standardize
from symgraph.data.tables import Table, load_table
from symgraph.data.toy import gate, gate_names, moons

__all__ = [
    "Digits",
    "ImageSet",
    "Mnist",
    "PictureStream",
    "Preprocessing",
    "Rescale",
    "Split",
    "Standardize",
    "Table",
    "download_cifar10",
    "download_mnist",
    "gate",
    "gate_names",
    "held_out",
    "iterate_minibatches",
    "load_cifar10",
    "load_digits",
    "load_image_folder",
    "load_mnist",
    "load_mnist_images",
    "load_table",
    "moons",
    "read_idx",
    "split",
    "stream_image_folder",
    "write_idx",
]
