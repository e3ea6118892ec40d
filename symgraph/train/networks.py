"""The networks that ``symgraph train`` offers for images, declared through the layers.

In: the shape of an image, the number of classes, and a few sizes.  Out: the output
layer, a softmax over the classes; its input layer takes floats from 0 to 1.  How they
are trained is ``images.py``.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import symgraph.tensor as T
from symgraph import nn
from symgraph.errors import ArgumentError

ImageShape = tuple[int, int, int]
Sizes = tuple[int, ...]


def mlp(
    shape: ImageShape, classes: int, hidden: Sizes = (), dropout: float = 0.0
) -> Any:
    """Hidden layers of rectified units; none at all is softmax regression.

    Parameters
    ----------
    shape : channels, rows and columns of an image
    hidden : units of each hidden layer
    dropout : share of each hidden layer's units that is dropped in training

    Examples
    --------
    >>> network = mlp((3, 32, 32), 2, hidden=(768, 384))
    >>> [p.get_value().shape for p in nn.layers.get_all_params(network)][::2]
    [(3072, 768), (768, 384), (384, 2)]
    """
    layer = images_input(shape)
    return _classes(_dense(layer, hidden, dropout, nn.nonlinearities.rectify), classes)


def cnn(
    shape: ImageShape,
    classes: int,
    hidden: Sizes = (512,),
    dropout: float = 0.0,
    blocks: tuple[Sizes, ...] = ((32,), (64, 64)),
    window: int = 3,
) -> Any:
    """Blocks of convolutions that keep the size, each with a pooling that halves it.

    Parameters
    ----------
    shape : channels, rows and columns of an image
    hidden : units of the dense layers behind the blocks
    dropout : share of each dense layer's inputs' units that is dropped in training
    blocks : filters of the convolution layers of each block
    window : rows and columns of a filter, odd

    Examples
    --------
    >>> network = cnn((1, 28, 28), 10, (1024,), blocks=((32,), (64,)), window=5)
    >>> [layer.output_shape for layer in nn.layers.get_all_layers(network)][1:5:2]
    [(None, 32, 28, 28), (None, 64, 14, 14)]
    """
    layer = images_input(shape)
    for filters in blocks:
        for count in filters:
            layer = nn.layers.Conv2DLayer(
                layer, count, window, pad="same", flip_filters=False,
                W=nn.init.HeNormal("relu"),
            )  # fmt: skip
        if min(layer.output_shape[2:]) < 2:
            raise ArgumentError(
                f"train: images of {shape[1]}x{shape[2]} pixels are too small to be "
                f"halved {len(blocks)} times"
            )
        layer = nn.layers.MaxPool2DLayer(layer, 2)
    return _classes(_dense(layer, hidden, dropout, nn.nonlinearities.rectify), classes)


def lasagne_cnn(
    shape: ImageShape, classes: int, hidden: Sizes = (128,), dropout: float = 0.0
) -> Any:
    """Two 3 x 3 convolutions, 64 and 32 filters, leaky units, one overlapping pooling.

    Parameters
    ----------
    shape, hidden, dropout : see `cnn`

    Examples
    --------
    >>> network = lasagne_cnn((3, 32, 32), 10)
    >>> [layer.output_shape for layer in nn.layers.get_all_layers(network)][1:4]
    [(None, 64, 30, 30), (None, 32, 28, 28), (None, 32, 13, 13)]
    """
    leaky = nn.nonlinearities.leaky_rectify
    layer = images_input(shape)
    for count in (64, 32):
        layer = nn.layers.Conv2DLayer(
            layer, count, 3, nonlinearity=leaky, W=nn.init.HeNormal("relu")
        )
    layer = nn.layers.MaxPool2DLayer(layer, 3, stride=2)
    return _classes(_dense(layer, hidden, dropout, leaky), classes)


def is_own(model: str) -> bool:
    """Whether a model is named as ``FILE.py:function``.

    Examples
    --------
    >>> is_own("nets.py:build"), is_own("cnn")
    (True, False)
    """
    file, mark, name = model.rpartition(":")
    return bool(mark) and file.endswith(".py") and name.isidentifier()


def own(model: str, inputs: Any, outputs: int) -> Any:
    """A network of the user's: runs the file and calls its function.

    Parameters
    ----------
    model : ``FILE.py:function``; the function takes the input layer and the number of
        units of the last layer, and returns the last layer

    Raises
    ------
    ArgumentError : no such file or function, an error while it runs, no layer
    """
    file, _, name = model.rpartition(":")
    if not Path(file).is_file():
        raise ArgumentError(f"--model {model}: no file {file}")
    try:
        build = runpy.run_path(file)[name]
    except KeyError:
        raise ArgumentError(f"--model {model}: {file} has no {name}") from None
    except Exception as error:
        raise ArgumentError(
            f"--model {model}: {type(error).__name__}: {error}"
        ) from error
    layer = build(inputs, outputs)
    if not isinstance(layer, nn.layers.Layer) or layer.output_shape[1:] != (outputs,):
        shape = getattr(layer, "output_shape", "")
        raise ArgumentError(
            f"--model {model}: gave {layer!r} {shape}, expected a last layer of shape "
            f"(None, {outputs})"
        )
    return layer


#: name → function of (shape, classes, ...)
NETWORKS = {"mlp": mlp, "cnn": cnn, "lasagne-cnn": lasagne_cnn}


def images_input(shape: ImageShape) -> Any:
    """The input layer of images."""
    return nn.layers.InputLayer((None, *shape), T.ftensor4("x"), name="images")


def _dense(layer: Any, hidden: Sizes, dropout: float, nonlinearity: Any) -> Any:
    for units in hidden:
        layer = nn.layers.DenseLayer(layer, units, nonlinearity=nonlinearity)
        if dropout:
            layer = nn.layers.DropoutLayer(layer, p=dropout)
    return layer


def _classes(layer: Any, classes: int) -> Any:
    return nn.layers.DenseLayer(
        layer, classes, nonlinearity=nn.nonlinearities.softmax, name="classes"
    )
