"""Kernels of the nodes that are no groups: joins, assignments, scatter, permutations.

Each function writes the loops of one node; its operands are stored or views of what is
stored. Products without BLAS (integers, bools) are written here as well.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from symgraph.core.node import Apply, Variable
from symgraph.lower import pooling
from symgraph.lower.builder import ORIGIN, KernelBuilder, Position
from symgraph.lower.fuse import Fusion
from symgraph.lower.group_values import checked_index
from symgraph.lower.ir import Access, Call, Const, Expression, SizeValue
from symgraph.lower.sizes import ONE, ZERO, SizePolynomial, poly, row_major
from symgraph.ops.slices import filled, slice_bounds

Codes = dict[int, Variable]


def write(fusion: Fusion, node: Apply, codes: Codes) -> KernelBuilder:
    """The kernel of a node."""
    build = KernelBuilder(fusion.extents, fusion.stored)
    _WRITERS[node.op.name](build, node, codes)
    return build


def write_change(fusion: Fusion, node: Apply, codes: Codes) -> KernelBuilder:
    """The kernel of a node whose first operand already lies where the result will."""
    build = KernelBuilder(fusion.extents, fusion.stored)
    change = _change if node.op.name == "set_subtensor" else _scattered
    change(build, node, codes)
    return build


def _loops(
    build: KernelBuilder,
    stack: ExitStack,
    shape: Sequence[SizePolynomial],
    vector: bool = True,
) -> list[Position]:
    """One loop for each extent, the last one over vectors."""
    last = max((i for i, e in enumerate(shape) if e != ONE), default=-1)
    return [
        stack.enter_context(
            build.loop(extent, "vector" if vector and i == last else "serial")
        )
        for i, extent in enumerate(shape)
    ]


def _write_to(
    build: KernelBuilder,
    out: Variable,
    positions: Sequence[Position],
    value: Expression,
) -> None:
    strides = row_major(build.extents.shape(out))
    build.store(build.buffer(out, "out"), build.access(positions, strides), value)


def _read_back(
    build: KernelBuilder, out: Variable, positions: Sequence[Position]
) -> tuple[Access, Expression]:
    """The present element of a buffer that the kernel is writing."""
    access = build.access(positions, row_major(build.extents.shape(out)))
    buffer = build.buffer(out, "inout")
    return access, build.reload(buffer, access, out.type.dtype)


def _copy(build: KernelBuilder, source: Variable, out: Variable) -> None:
    with ExitStack() as stack:
        positions = _loops(build, stack, build.extents.shape(out))
        _write_to(build, out, positions, build.load(source, positions))


#: operands of a join that one kernel takes, at most
JOINED = 32
#: terms of an extent up to which where a part begins is one size of a kernel
TERMS = 8


def _make_vector(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    one = build
    for k, element in enumerate(node.inputs):
        if k and k % JOINED == 0:
            one = build.another()
        _write_to(one, node.outputs[0], [Position(poly(k))], one.load(element, ()))


def _concatenate(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    axis = node.op.axis  # type: ignore[attr-defined]
    start = ZERO
    for first in range(0, len(node.inputs), JOINED):
        one = build.another() if first else build
        start = _joined(one, node.outputs[0], node.inputs[first:][:JOINED], axis, start)


def _joined(
    build: KernelBuilder,
    out: Variable,
    parts: Sequence[Variable],
    axis: int,
    start: SizePolynomial,
) -> SizePolynomial:
    """Write parts to where `out` has them, from `start` on; the end of the last one.

    A start that is a long sum is one size, to which the extents of the parts are added.
    """
    base, begin = None, start
    if len(start.terms) > TERMS:
        base, begin = SizeValue(build.size(start)), ZERO
    for part in parts:
        shape = build.extents.shape(part)
        with ExitStack() as stack:
            positions = _loops(build, stack, shape)
            value = build.load(part, positions)
            target = list(positions)
            at = build.scaled(positions[axis], begin, ONE)
            target[axis] = Position(at.offset, at.terms, base)
            _write_to(build, out, target, value)
        begin = begin + shape[axis]
        start = start + shape[axis]
    return start


def _set_subtensor(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    _copy(build, node.inputs[0], node.outputs[0])
    _change(build, node, codes)


def _change(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    """The slice of `set_subtensor`."""
    (out,) = node.outputs
    x, y, *scalars = node.inputs
    region: list[SizePolynomial] = []
    for entry, extent in zip(
        filled(node.op.spec, scalars),  # type: ignore[attr-defined]
        build.extents.given(x),
        strict=True,
    ):
        if isinstance(entry, tuple):
            region.append(build.extents.atoms.poly(slice_bounds(entry, extent)[1]))
    with ExitStack() as stack:
        positions = _loops(build, stack, region)
        shift = len(region) - y.ndim
        own = [
            ORIGIN if extent == ONE else positions[shift + i]
            for i, extent in enumerate(build.extents.shape(y))
        ]
        value = build.load(y, own)
        target = build.sliced(node, positions, scalars)
        if node.op.mode == "inc":  # type: ignore[attr-defined]
            _, before = _read_back(build, out, target)
            value = build.call("add", out.type.dtype, before, value)
        _write_to(build, out, target, value)


def _scatter(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    _copy(build, node.inputs[0], node.outputs[0])
    _scattered(build, node, codes)


def _scattered(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    """The elements of `scatter_add` and `scatter_set`."""
    (out,) = node.outputs
    base, indices, values = node.inputs
    axis = node.op.axis  # type: ignore[attr-defined]
    shape = build.extents.shape(values)
    rank = indices.ndim
    with ExitStack() as stack:
        before = _loops(build, stack, shape[:axis], vector=False)
        along = _loops(build, stack, shape[axis : axis + rank], vector=False)
        extent = build.extents.shape(base)[axis]
        size: Expression = SizeValue(build.size(extent))
        if extent.constant is not None:
            size = Const(extent.constant, "int64")
        index = build.load(indices, along)
        if not node.op.safe:  # type: ignore[attr-defined]
            index = checked_index(build, index, size, out, codes)
        after = _loops(build, stack, shape[axis + rank :])
        target = [*before, Position(dynamic=index), *after]
        value = build.load(values, [*before, *along, *after])
        if node.op.name == "scatter_add":
            _, old = _read_back(build, out, target)
            value = build.call("add", out.type.dtype, old, value)
        _write_to(build, out, target, value)


def _running(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    """out[i] = out[i-1] + x[i], their product, or a[i] * out[i-1] + b[i], on an axis."""
    (out,) = node.outputs
    dtype = out.type.dtype
    axis = node.op.axis  # type: ignore[attr-defined]
    combine = getattr(node.op, "combine", None)
    shape = build.extents.shape(out)
    with ExitStack() as stack:
        before = _loops(build, stack, shape[:axis], vector=False)
        step = stack.enter_context(build.loop(shape[axis]))
        i = build.index(step)
        is_first = build.call("eq", "bool", i, Const(0, "int64"))
        previous = build.call("add", "int64", i, Const(-1, "int64"))
        previous = build.call("maximum", "int64", previous, Const(0, "int64"))
        after = _loops(build, stack, shape[axis + 1 :])
        place = [*before, step, *after]
        given = [build.load(v, place) for v in node.inputs]
        # what the first place finds there counts for nothing
        _, found = _read_back(build, out, [*before, Position(dynamic=previous), *after])
        neutral = Const(1 if combine == "prod" else 0, dtype)
        found = build.call("where", dtype, is_first, neutral, found)
        if combine is None:
            found = build.call("mul", dtype, given[0], found)
        word = "mul" if combine == "prod" else "add"
        _write_to(build, out, place, build.call(word, dtype, found, given[-1]))


def _permutation(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    """Fisher-Yates: for i = n-1 .. 1 swap element i with a random one of 0 .. i."""
    (out,) = node.outputs
    key, call, _ = node.inputs
    (extent,) = build.extents.shape(out)
    with build.loop(extent, "vector") as position:
        _write_to(build, out, [position], build.index(position))
    words = (build.load(key, ()), build.load(call, ()))
    with build.loop(extent) as position:
        i = build.index(build.scaled(position, extent - ONE, poly(-1)))
        bits = build.call("philox", "uint64", *words, i)
        count = build.call(
            "cast", "uint64", build.call("add", "int64", i, Const(1, "int64"))
        )
        j = build.call("cast", "int64", build.call("mod", "uint64", bits, count))
        access_i, at_i = _read_back(build, out, [Position(dynamic=i)])
        access_j, at_j = _read_back(build, out, [Position(dynamic=j)])
        buffer = build.buffer(out, "inout")
        build.store(buffer, access_i, at_j)
        build.store(buffer, access_j, at_i)


def _dot(build: KernelBuilder, node: Apply, codes: Codes) -> None:
    """out[i, j] = sum_k a[i, k] * b[k, j], for dtypes that BLAS does not know."""
    (out,) = node.outputs
    a, b = node.inputs
    left, right = build.extents.shape(a), build.extents.shape(b)
    dtype = out.type.dtype
    batched = node.op.name == "batched_dot"
    with ExitStack() as stack:
        batch = _loops(build, stack, left[:1], vector=False) if batched else []
        skip = len(batch)
        rows = _loops(build, stack, left[skip:-1], vector=False)
        columns = _loops(build, stack, right[skip + 1 :])
        total = build.init("or" if dtype == "bool" else "add", dtype)
        with build.loop(left[-1]) as k:
            x = build.load(a, [*batch, *rows, k])
            y = build.load(b, [*batch, k, *columns])
            product = build.emit(
                Call("and" if dtype == "bool" else "mul", (x, y), dtype)
            )
            build.fold(total, product)
        _write_to(build, out, [*batch, *rows, *columns], total)


_WRITERS: dict[str, Callable[[KernelBuilder, Apply, Codes], None]] = {
    "make_vector": _make_vector,
    "concatenate": _concatenate,
    "set_subtensor": _set_subtensor,
    "scatter_add": _scatter,
    "scatter_set": _scatter,
    "cumulate": _running,
    "recurrence": _running,
    "permutation": _permutation,
    "dot": _dot,
    "batched_dot": _dot,
    "pool": pooling.pool,
    "pool_sum_input": pooling.spread_sum,
    "pool_max_input": pooling.spread_max,
    "pool_max_pick": pooling.pick,
}
OPAQUE = frozenset(_WRITERS)
