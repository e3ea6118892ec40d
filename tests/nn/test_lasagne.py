"""Every public name of Lasagne that needs no GPU exists, with its arguments.

The lists are of Lasagne 0.2.dev1, commit 5d3c63c, read from its sources: the modules
`layers`, `init`, `nonlinearities`, `objectives`, `updates`, `regularization`, `random` and
`utils`. Left out are corrmm, cuda_convnet and dnn, which raise ImportError without a GPU.
"""

import inspect

import pytest

from symgraph import nn

NAMES = {
    "nonlinearities": """
        sigmoid softmax tanh ScaledTanH ScaledTanh rectify LeakyRectify leaky_rectify
        very_leaky_rectify elu SELU selu softplus linear identity
    """,
    "init": """
        Initializer Normal Uniform Glorot GlorotNormal GlorotUniform He HeNormal HeUniform
        Constant Sparse Orthogonal
    """,
    "objectives": """
        align_targets binary_crossentropy categorical_crossentropy squared_error aggregate
        binary_hinge_loss multiclass_hinge_loss huber_loss binary_accuracy
        categorical_accuracy
    """,
    "regularization": """
        l1 l2 apply_penalty regularize_layer_params regularize_layer_params_weighted
        regularize_network_params
    """,
    "updates": """
        get_or_compute_grads sgd apply_momentum momentum apply_nesterov_momentum
        nesterov_momentum adagrad rmsprop adadelta adam adamax amsgrad norm_constraint
        total_norm_constraint
    """,
    "random": "get_rng set_rng",
    "utils": """
        int_types floatX shared_empty as_theano_expression collect_shared_vars one_hot
        unique as_tuple inspect_kwargs compute_norms create_param unroll_scan
    """,
    "layers": """
        Layer MergeLayer get_all_layers get_output get_output_shape get_all_params
        count_params get_all_param_values set_all_param_values InputLayer DenseLayer
        NINLayer conv_output_length conv_input_length BaseConvLayer Conv1DLayer Conv2DLayer
        Conv3DLayer TransposedConv2DLayer Deconv2DLayer TransposedConv3DLayer Deconv3DLayer
        DilatedConv2DLayer LocallyConnected2DLayer pool_output_length Pool1DLayer
        Pool2DLayer Pool3DLayer MaxPool1DLayer MaxPool2DLayer MaxPool3DLayer Upscale1DLayer
        Upscale2DLayer Upscale3DLayer GlobalPoolLayer FeaturePoolLayer FeatureWTALayer
        SpatialPyramidPoolingLayer DropoutLayer dropout dropout_channels spatial_dropout
        dropout_locations GaussianNoiseLayer FlattenLayer flatten ReshapeLayer reshape
        DimshuffleLayer dimshuffle PadLayer pad SliceLayer autocrop
        autocrop_array_shapes ConcatLayer concat ElemwiseMergeLayer ElemwiseSumLayer
        LocalResponseNormalization2DLayer BatchNormLayer batch_norm StandardizationLayer
        instance_norm layer_norm EmbeddingLayer CustomRecurrentLayer RecurrentLayer Gate
        LSTMLayer GRULayer NonlinearityLayer BiasLayer ScaleLayer standardize
        ExpressionLayer InverseLayer TransformerLayer TPSTransformerLayer
        ParametricRectifierLayer prelu RandomizedRectifierLayer rrelu
    """,
}

#: layers and rules whose arguments the other tests do not spell out, with Lasagne's
#: defaults
ARGUMENTS = {
    "layers.InverseLayer": "incoming layer",
    "layers.LocallyConnected2DLayer": "incoming num_filters filter_size stride pad "
    "untie_biases W b nonlinearity flip_filters channelwise",
    "layers.TransformerLayer": "incoming localization_network downsample_factor "
    "border_mode",
    "layers.TPSTransformerLayer": "incoming localization_network downsample_factor "
    "control_points precompute_grid border_mode",
    "layers.ParametricRectifierLayer": "incoming alpha shared_axes",
    "layers.RandomizedRectifierLayer": "incoming lower upper shared_axes",
    "updates.rmsprop": "loss_or_grads params learning_rate rho epsilon",
    "updates.adam": "loss_or_grads params learning_rate beta1 beta2 epsilon",
    "objectives.huber_loss": "predictions targets delta",
}
DEFAULTS = {
    "layers.LocallyConnected2DLayer": {
        "stride": (1, 1),
        "pad": "same",
        "channelwise": False,
    },
    "layers.TransformerLayer": {"downsample_factor": 1, "border_mode": "nearest"},
    "layers.TPSTransformerLayer": {"control_points": 16, "precompute_grid": "auto"},
    "layers.ParametricRectifierLayer": {"shared_axes": "auto"},
    "layers.RandomizedRectifierLayer": {
        "lower": 0.3,
        "upper": 0.8,
        "shared_axes": "auto",
    },
    "updates.rmsprop": {"learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-6},
}


@pytest.mark.parametrize("module", NAMES)
def test_every_public_name_exists(module):
    ours = getattr(nn, module)
    missing = [name for name in NAMES[module].split() if not hasattr(ours, name)]
    assert missing == []


def test_every_public_layer_is_exported():
    assert set(NAMES["layers"].split()) <= set(nn.layers.__all__)


@pytest.mark.parametrize("place", ARGUMENTS)
def test_arguments_stand_in_lasagnes_order(place):
    module, name = place.split(".")
    signature = inspect.signature(getattr(getattr(nn, module), name)).parameters
    wanted = ARGUMENTS[place].split()
    assert list(signature)[: len(wanted)] == wanted
    for argument, value in DEFAULTS.get(place, {}).items():
        assert signature[argument].default == value, argument


def test_the_default_slope_is_lasagnes():
    layer = nn.layers.ParametricRectifierLayer((None, 2))
    assert layer.alpha.get_value().tolist() == [0.25, 0.25]
