"""All layers, and the functions on whole networks, under Lasagne's names."""

from symgraph.nn.layers.base import Layer, MergeLayer
from symgraph.nn.layers.dense import DenseLayer, NINLayer
from symgraph.nn.layers.embedding import EmbeddingLayer
from symgraph.nn.layers.helper import (
    count_params,
    get_all_layers,
    get_all_param_values,
    get_all_params,
    get_output,
    get_output_shape,
    set_all_param_values,
)
from symgraph.nn.layers.input import InputLayer
from symgraph.nn.layers.merge import (
    ConcatLayer,
    ElemwiseMergeLayer,
    ElemwiseSumLayer,
    autocrop,
    autocrop_array_shapes,
    concat,
)
from symgraph.nn.layers.noise import (
    DropoutLayer,
    GaussianNoiseLayer,
    dropout,
    dropout_channels,
    dropout_locations,
    spatial_dropout,
)
from symgraph.nn.layers.shape import (
    DimshuffleLayer,
    FlattenLayer,
    PadLayer,
    ReshapeLayer,
    SliceLayer,
    dimshuffle,
    flatten,
    pad,
    reshape,
)
from symgraph.nn.layers.special import (
    BiasLayer,
    ExpressionLayer,
    NonlinearityLayer,
    ScaleLayer,
    standardize,
)

__all__ = [
    "BiasLayer",
    "ConcatLayer",
    "DenseLayer",
    "DimshuffleLayer",
    "DropoutLayer",
    "ElemwiseMergeLayer",
    "ElemwiseSumLayer",
    "EmbeddingLayer",
    "ExpressionLayer",
    "FlattenLayer",
    "GaussianNoiseLayer",
    "InputLayer",
    "Layer",
    "MergeLayer",
    "NINLayer",
    "NonlinearityLayer",
    "PadLayer",
    "ReshapeLayer",
    "ScaleLayer",
    "SliceLayer",
    "autocrop",
    "autocrop_array_shapes",
    "concat",
    "count_params",
    "dimshuffle",
    "dropout",
    "dropout_channels",
    "dropout_locations",
    "flatten",
    "get_all_layers",
    "get_all_param_values",
    "get_all_params",
    "get_output",
    "get_output_shape",
    "pad",
    "reshape",
    "set_all_param_values",
    "spatial_dropout",
    "standardize",
]
