"""The table: module of Theano → where its names come from. Names only, no logic.

A source without names gives all that it shows. ``new=old`` renames. Names that stand
here and that symgraph has not raise when they are asked for, as those that do not.
Theano 1.0.5 is the version that is meant.
"""

from symgraph.compat.module import BoundModule, Source, modules
from symgraph.compat.theano.config import read_flags

__all__ = ["MODULES", "ROOT", "__version__", "make", "read_flags"]

ROOT = "theano"
__version__ = "1.0.5"
HERE = "symgraph.compat.theano"
TENSOR = "symgraph.tensor"

VARIABLES = "Variable Constant Apply"
EXTRA = (
    "bartlett bincount broadcast_shape compress cumprod cumsum diff fill_diagonal "
    "fill_diagonal_offset ravel_multi_index repeat searchsorted squeeze to_one_hot "
    "unique unravel_index"
)
GRADIENT = (
    "DisconnectedInputError DisconnectedType Lop NullType Rop consider_constant "
    "disconnected_grad grad grad_clip grad_not_implemented grad_scale grad_undefined "
    "hessian jacobian numeric_grad "
    "subgraph_grad verify_grad zero_grad"
)
SPECIAL = (
    "chi2sf erf erfc erfcinv erfcx erfinv gamma gammaln i0 i1 iv j0 j1 jv psi tri_gamma"
)

_T = Source(TENSOR)
_NODES = Source("symgraph.core.node", VARIABLES)
_OP = Source("symgraph", "Op")
_SHARED = Source(
    "symgraph.core.shared", "SharedVariable TensorSharedVariable=SharedVariable "
    "ScalarSharedVariable=SharedVariable",
)  # fmt: skip
_FUNCTIONS = Source(HERE + ".functions")
_GRADIENT = (
    Source(HERE + ".gradient"),
    Source(HERE + ".test_values", "Lop Rop hessian jacobian"),
    Source("symgraph.gradient", GRADIENT),
)
_SPARSE = (
    Source("symgraph.sparse", "_is_sparse _is_sparse_variable"),
    Source("symgraph.sparse"),
)
_GPU = Source(HERE + ".gpu")
_UPDATES = Source("symgraph", "OrderedUpdates")
_VIEW = Source(HERE + ".extending", "view_op")
_CONFIG = Source(HERE + ".config", "change_flags config")
_INDEXING = (
    Source(HERE + ".indexing"),
    Source("symgraph.ops.indexing", "Subtensor"),
    Source(TENSOR, "inc_subtensor set_subtensor take"),
)

# fmt: off
MODULES: dict[str, tuple[Source, ...]] = {
    "theano": (
        _CONFIG, _FUNCTIONS, _NODES, _OP,
        Source(HERE + ".names", "__version__"),
        Source(HERE + ".test_values", "Lop Rop clone foldl foldr map reduce scan"),
        Source("symgraph", "OpFromGraph"),
        Source(HERE + ".gradient", "grad"),
        Source("symgraph.printing", "pp pprint"),
        Source("symgraph.tensor", "dot"),
        Source("symgraph", "as_op"), _UPDATES,
        Source(HERE + ".tensor", "_asarray=asarray"),
        Source("symgraph.core.shared", "SharedVariable"),
    ),
    "theano.compile": (
        _FUNCTIONS, _SHARED,
        Source("symgraph", "OpFromGraph as_op"), _VIEW,
        Source("symgraph.errors", "UnusedInputError"),
    ),
    "theano.compile.builders": (Source("symgraph", "OpFromGraph"),),
    "theano.compile.function": (Source(HERE + ".functions", "function"),),
    "theano.compile.function_module": (
        Source(HERE + ".functions", "Function"),
        Source("symgraph.errors", "UnusedInputError"),
    ),
    "theano.compile.io": (Source(HERE + ".functions", "In Out"),),
    "theano.compile.mode": (
        Source(HERE + ".functions", "Mode get_default_mode get_mode"),
    ),
    "theano.compile.ops": (Source("symgraph", "as_op"), _VIEW),
    "theano.compile.pfunc": (
        Source(HERE + ".functions", "Param pfunc=function"),
    ),
    "theano.compile.profiling": (),
    "theano.compile.sharedvalue": (
        _SHARED, Source(HERE + ".functions", "shared"),
    ),
    "theano.configparser": (_CONFIG,),
    "theano.gof": (
        _NODES, _OP, Source("symgraph.graph"),
        Source("symgraph.errors", "MissingInputError"),
    ),
    "theano.gof.fg": (Source("symgraph.errors", "MissingInputError"),),
    "theano.gof.graph": (_NODES, Source("symgraph.graph")),
    "theano.gof.op": (_OP, Source(HERE + ".test_values", "get_test_value")),
    "theano.gof.utils": (
        Source("symgraph.errors", "TestValueError=MissingTestValueError"),
    ),
    "theano.gpuarray": (_GPU,),
    "theano.gpuarray.dnn": (_GPU,),
    "theano.gradient": _GRADIENT,
    "theano.ifelse": (Source(HERE + ".test_values", "ifelse"),),
    "theano.printing": (
        Source("symgraph.printing", "Print debugprint min_informative_str pp pprint "
                                    "pydotprint"),
    ),
    "theano.sandbox": (),
    "theano.sandbox.cuda": (_GPU,),
    "theano.sandbox.cuda.dnn": (_GPU,),
    "theano.sandbox.gpuarray": (_GPU,),
    "theano.sandbox.gpuarray.dnn": (_GPU,),
    "theano.sandbox.linalg": (
        Source(TENSOR + ":nlinalg"), Source(TENSOR + ":slinalg"),
    ),
    "theano.sandbox.rng_mrg": (Source(HERE + ".random", "MRG_RandomStreams"),),
    "theano.sandbox.softsign": (Source(TENSOR + ":nnet", "softsign"),),
    "theano.scalar": (
        Source("symgraph.core.dtypes", "upcast"),
        Source(TENSOR, SPECIAL + " sgn"),
    ),
    "theano.scalar.basic": (Source("symgraph.core.dtypes", "upcast"),),
    "theano.scan_module": (
        Source(HERE + ".test_values", "foldl foldr map reduce scan"),
        Source("symgraph", "until"),
        _UPDATES,
    ),
    "theano.scan_module.scan_op": (Source("symgraph.loops.scan", "Scan"),),
    "theano.scan_module.scan_utils": (
        Source("symgraph", "clone until"),
        Source("symgraph.graph", "equal_computations"),
    ),
    "theano.sparse": _SPARSE,
    "theano.sparse.basic": _SPARSE,
    "theano.tensor": (
        Source(HERE + ".tensor"), Source(HERE + ".indexing"), _NODES, _OP, *_GRADIENT,
        Source(TENSOR, "Elemwise TensorConstant TensorSharedVariable TensorType "
                       "TensorVariable Variable _shared=shared sort var"),
        _T,
    ),
    "theano.tensor.basic": (
        Source(HERE + ".tensor"),
        Source(TENSOR, "TensorConstant TensorType TensorVariable"),
        _T,
    ),
    "theano.tensor.elemwise": (Source(TENSOR, "Elemwise"),),
    "theano.tensor.extra_ops": (Source(TENSOR, EXTRA),),
    "theano.tensor.fft": (Source(TENSOR, "irfft rfft"),),
    "theano.tensor.nlinalg": (Source(TENSOR + ":nlinalg"),),
    "theano.tensor.nnet": (
        Source(HERE + ".nnet", "logsoftmax relu softmax softmax_with_bias"),
        Source(TENSOR + ":nnet"),
    ),
    "theano.tensor.nnet.abstract_conv": (Source(TENSOR + ":nnet.abstract_conv"),),
    "theano.tensor.nnet.bn": (
        Source(TENSOR + ":nnet", "batch_normalization batch_normalization_test "
                                 "batch_normalization_train"),
    ),
    "theano.tensor.nnet.conv": (Source(TENSOR + ":nnet", "conv2d"),),
    "theano.tensor.nnet.conv3d2d": (Source(HERE + ".nnet", "conv3d"),),
    "theano.tensor.nnet.nnet": (
        Source(HERE + ".nnet", "logsoftmax relu softmax softmax_with_bias"),
        Source(TENSOR + ":nnet"),
    ),
    "theano.tensor.nnet.sigm": (
        Source(TENSOR + ":nnet", "hard_sigmoid sigmoid softplus ultra_fast_sigmoid"),
    ),
    "theano.tensor.opt": (),
    "theano.tensor.raw_random": (),
    "theano.tensor.shared_randomstreams": (
        Source(HERE + ".random", "RandomStateSharedVariable RandomStreams"),
    ),
    "theano.tensor.sharedvar": (_SHARED, Source(HERE + ".functions", "shared")),
    "theano.tensor.signal": (),
    "theano.tensor.signal.downsample": (Source(HERE + ".pool", "max_pool_2d"),),
    "theano.tensor.signal.pool": (
        Source(HERE + ".pool", "Pool max_pool_2d_same_size pool_2d pool_3d"),
    ),
    "theano.tensor.slinalg": (Source(TENSOR + ":slinalg"),),
    "theano.tensor.sort": (Source(TENSOR, "argsort sort topk argtopk topk_and_argtopk"),),
    "theano.tensor.subtensor": _INDEXING,
    "theano.tensor.type": (Source(TENSOR, "TensorType"),),
    "theano.tensor.var": (
        Source(TENSOR, "TensorConstant TensorVariable"),
    ),
    "theano.tensor.xlogx": (Source(TENSOR, "xlogx xlogy0"),),
    "theano.tests": (),
    "theano.tests.unittest_tools": (
        Source("symgraph.gradient", "verify_grad"),
        Source("numpy.testing", "assert_allclose"),
        Source(HERE + ".testing", "fetch_seed seed_rng"),
    ),
    "theano.updates": (_UPDATES,),
    "theano.version": (Source(HERE + ".names", "version=__version__"),),
}
# fmt: on


def make() -> dict[str, BoundModule]:
    """All modules of the table; ``theano`` holds itself, as PyMC3 asks."""
    made = modules(MODULES, __file__)
    made[ROOT].theano = made[ROOT]  # type: ignore[attr-defined]
    return made
