"""All layers, and the functions on whole networks, under Lasagne's names."""

from symgraph.nn.layers.attention import (
    LearnedPositionalEncodingLayer,
    MultiHeadAttentionLayer,
    PositionalEncodingLayer,
)
from symgraph.nn.layers.base import Layer, MergeLayer
from symgraph.nn.layers.blocks import dense_block, residual_block
from symgraph.nn.layers.conv import (
    BaseConvLayer,
    Conv1DLayer,
    Conv2DLayer,
    Conv3DLayer,
    DilatedConv2DLayer,
    conv_input_length,
    conv_output_length,
)
from symgraph.nn.layers.dense import DenseLayer, NINLayer
from symgraph.nn.layers.embedding import EmbeddingLayer
from symgraph.nn.layers.feature_norm import GroupNormLayer, LayerNormLayer, RMSNormLayer
from symgraph.nn.layers.feature_pool import FeaturePoolLayer, FeatureWTALayer
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
from symgraph.nn.layers.inverse import InverseLayer
from symgraph.nn.layers.local import LocallyConnected2DLayer
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
from symgraph.nn.layers.normalization import (
    BatchNormLayer,
    LocalResponseNormalization2DLayer,
    StandardizationLayer,
    batch_norm,
    instance_norm,
    layer_norm,
)
from symgraph.nn.layers.pool import (
    GlobalAveragePoolLayer,
    GlobalPoolLayer,
    MaxPool1DLayer,
    MaxPool2DLayer,
    MaxPool3DLayer,
    Pool1DLayer,
    Pool2DLayer,
    Pool3DLayer,
    pool_output_length,
)
from symgraph.nn.layers.pyramid import SpatialPyramidPoolingLayer
from symgraph.nn.layers.rectifiers import (
    ParametricRectifierLayer,
    RandomizedRectifierLayer,
    prelu,
    rrelu,
)
from symgraph.nn.layers.recurrent import CustomRecurrentLayer, RecurrentLayer
from symgraph.nn.layers.recurrent_gates import Gate, GRULayer, LSTMLayer
from symgraph.nn.layers.separable import (
    DepthwiseConv1DLayer,
    DepthwiseConv2DLayer,
    SeparableConv1DLayer,
    SeparableConv2DLayer,
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
from symgraph.nn.layers.transformer import TPSTransformerLayer, TransformerLayer
from symgraph.nn.layers.transposed import (
    Deconv2DLayer,
    Deconv3DLayer,
    TransposedConv2DLayer,
    TransposedConv3DLayer,
)
from symgraph.nn.layers.upscale import (
    Upscale1DLayer,
    Upscale2DLayer,
    Upscale3DLayer,
)

__all__ = [
    "BaseConvLayer",
    "BatchNormLayer",
    "BiasLayer",
    "ConcatLayer",
    "Conv1DLayer",
    "Conv2DLayer",
    "Conv3DLayer",
    "CustomRecurrentLayer",
    "Deconv2DLayer",
    "Deconv3DLayer",
    "DenseLayer",
    "DepthwiseConv1DLayer",
    "DepthwiseConv2DLayer",
    "DilatedConv2DLayer",
    "DimshuffleLayer",
    "DropoutLayer",
    "ElemwiseMergeLayer",
    "ElemwiseSumLayer",
    "EmbeddingLayer",
    "ExpressionLayer",
    "FeaturePoolLayer",
    "FeatureWTALayer",
    "FlattenLayer",
    "GRULayer",
    "Gate",
    "GaussianNoiseLayer",
    "GlobalAveragePoolLayer",
    "GlobalPoolLayer",
    "GroupNormLayer",
    "InputLayer",
    "InverseLayer",
    "LSTMLayer",
    "Layer",
    "LayerNormLayer",
    "LearnedPositionalEncodingLayer",
    "LocalResponseNormalization2DLayer",
    "LocallyConnected2DLayer",
    "MaxPool1DLayer",
    "MaxPool2DLayer",
    "MaxPool3DLayer",
    "MergeLayer",
    "MultiHeadAttentionLayer",
    "NINLayer",
    "NonlinearityLayer",
    "PadLayer",
    "ParametricRectifierLayer",
    "Pool1DLayer",
    "Pool2DLayer",
    "Pool3DLayer",
    "PositionalEncodingLayer",
    "RMSNormLayer",
    "RandomizedRectifierLayer",
    "RecurrentLayer",
    "ReshapeLayer",
    "ScaleLayer",
    "SeparableConv1DLayer",
    "SeparableConv2DLayer",
    "SliceLayer",
    "SpatialPyramidPoolingLayer",
    "StandardizationLayer",
    "TPSTransformerLayer",
    "TransformerLayer",
    "TransposedConv2DLayer",
    "TransposedConv3DLayer",
    "Upscale1DLayer",
    "Upscale2DLayer",
    "Upscale3DLayer",
    "autocrop",
    "autocrop_array_shapes",
    "batch_norm",
    "concat",
    "conv_input_length",
    "conv_output_length",
    "count_params",
    "dense_block",
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
    "instance_norm",
    "layer_norm",
    "pad",
    "pool_output_length",
    "prelu",
    "reshape",
    "residual_block",
    "rrelu",
    "set_all_param_values",
    "spatial_dropout",
    "standardize",
]
