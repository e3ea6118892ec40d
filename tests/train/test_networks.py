"""The networks that the command line offers: shapes, parameters, refusals."""

import pytest

from symgraph import nn
from symgraph.errors import ArgumentError
from symgraph.train import networks


def kinds(network):
    layers = nn.layers.get_all_layers(network)
    return [type(layer).__name__.removesuffix("Layer") for layer in layers]


def test_softmax_regression_is_a_network_without_hidden_layers():
    network = networks.mlp((1, 28, 28), 10)
    assert kinds(network) == ["Input", "Dense"]
    assert network.output_shape == (None, 10)
    assert nn.layers.count_params(network) == 784 * 10 + 10


def test_mlp_has_dropout_behind_each_hidden_layer():
    network = networks.mlp((3, 4, 4), 2, hidden=(8, 6), dropout=0.3)
    assert kinds(network) == ["Input", "Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert nn.layers.get_all_layers(network)[2].p == 0.3


def test_cnn_halves_the_image_behind_each_block():
    network = networks.cnn((3, 32, 32), 10, (512,), blocks=((32,), (64, 64)))
    layers = nn.layers.get_all_layers(network)
    assert kinds(network) == [
        "Input", "Conv2D", "MaxPool2D", "Conv2D", "Conv2D", "MaxPool2D", "Dense",
        "Dense",
    ]  # fmt: skip
    assert layers[5].output_shape == (None, 64, 8, 8)
    assert layers[6].W.get_value().shape == (4096, 512)


def test_cnn_of_the_mnist_workload_has_its_number_of_parameters():
    network = networks.cnn((1, 28, 28), 10, (1024,), blocks=((32,), (64,)), window=5)
    counts = [5 * 5 * 32 + 32, 25 * 32 * 64 + 64, 49 * 64 * 1024 + 1024, 1024 * 10 + 10]
    assert nn.layers.count_params(network) == sum(counts)


def test_images_too_small_for_the_blocks_are_refused():
    with pytest.raises(ArgumentError, match="images of 3x3 pixels are too small"):
        networks.cnn((1, 3, 3), 10)


def test_lasagne_cnn_is_the_one_of_the_tutorial():
    network = networks.lasagne_cnn((3, 32, 32), 10)
    layers = nn.layers.get_all_layers(network)
    assert kinds(network) == [
        "Input", "Conv2D", "Conv2D", "MaxPool2D", "Dense", "Dense"
    ]  # fmt: skip
    assert layers[3].output_shape == (None, 32, 13, 13)
    assert layers[1].nonlinearity is nn.nonlinearities.leaky_rectify
