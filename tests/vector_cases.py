"""Scalar primitives compiled for tests: loops over arrays, and the arrays to try.

``Compiled`` takes many cases (primitive, argument dtypes, result dtype, lanes, CPU
features), makes one LLVM module of them, and calls them on NumPy arrays.
"""

import ctypes
from functools import cache

import llvmlite.binding as llvm
import numpy as np

from symgraph.backends.cpu import math as primitives
from symgraph.backends.cpu.llvm import Builder, type_name

HOST = "host"
#: CPU features to emit for, by level; code for fewer features runs on the host as well.
FEATURES = {HOST: None, "avx2": frozenset({"fma", "avx2"}), "plain": frozenset()}


#: The processor that code for a level is compiled for, where the host can run it.
PROCESSORS = {"avx2": "haswell", "plain": "x86-64"}


#: Lanes and levels that every primitive is compiled for.
LAYOUTS = [(1, HOST), (8, HOST), (16, HOST), (8, "avx2"), (4, "plain")]


def host_features():
    return frozenset(k for k, on in llvm.get_host_cpu_features().items() if on)


@cache
def target(level=HOST):
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    processor, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features()
    features = features.flatten()
    if level != HOST and {"sse2", "avx2", "fma"} <= host_features():
        processor, features = PROCESSORS[level], ""
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=processor, features=features, opt=2, jit=True
    )


def loop_text(symbol, name, dtypes, result, lanes, features, declarations):
    """LLVM function: out[i] = name(a0[i], a1[i], ...) for n elements, lanes a step."""
    b = Builder(features)
    b.declarations = declarations
    args = []
    for i, dtype in enumerate(dtypes):
        memory = "uint8" if dtype == "bool" else dtype
        width = np.dtype(dtype).itemsize
        kind = type_name(memory, lanes)
        b.emit(f"%p{i} = getelementptr i8, ptr %a{i}, i64 %o{width}")
        x = b.op(f"load {kind}, ptr %p{i}, align 1", memory, lanes)
        args.append(b.cast(x, "bool") if dtype == "bool" else x)
    y = primitives.emit(b, name, args, result)
    assert (y.dtype, y.lanes) == (result, lanes)
    width = np.dtype(result).itemsize
    if result == "bool":
        y = b.cast(y, "uint8")
    b.emit(f"%q = getelementptr i8, ptr %out, i64 %o{width}")
    b.emit(f"store {y.type} {y.text}, ptr %q, align 1")
    head = [
        f"define void @{symbol}(ptr %a0, ptr %a1, ptr %a2, ptr %out, i64 %n) {{",
        "entry:",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]",
        *(f"  %o{w} = mul i64 %i, {w}" for w in (1, 2, 4, 8)),
    ]
    tail = [
        f"  %next = add i64 %i, {lanes}",
        "  %more = icmp slt i64 %next, %n",
        "  br i1 %more, label %loop, label %done",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join(head + b.lines + tail)


def link(text, symbols, level=HOST):
    """Compile LLVM IR and return what maps symbols to addresses."""
    module = llvm.parse_assembly(text)
    module.verify()
    builder = llvm.JITLibraryBuilder().add_object_img(target(level).emit_object(module))
    for symbol in symbols:
        builder.export_symbol(symbol)
    jit = llvm.create_lljit_compiler(target(level), use_jit_link=False)
    return builder.add_current_process().link(jit, "cases")


class Compiled:
    """A module of cases: (name, argument dtypes, result dtype, lanes, level).

    The level names the CPU features, one level for all cases of a module.
    """

    def __init__(self, cases):
        declarations: dict[str, str] = {}
        texts = []
        self.symbols = {}
        for k, case in enumerate(cases):
            name, dtypes, result, lanes, level = case
            features = FEATURES[level]
            if features is None:
                features = host_features()
            self.symbols[case] = f"f{k}"
            texts.append(
                loop_text(f"f{k}", name, dtypes, result, lanes, features, declarations)
            )
        text = "\n".join([*declarations.values(), *texts])
        self.library = link(text, self.symbols.values(), cases[0][-1])

    def __call__(self, case, *arrays):
        _, dtypes, result, lanes, _ = case
        n = len(arrays[0])
        padded = -(-n // lanes) * lanes
        inputs = []
        for array, dtype in zip(arrays, dtypes, strict=True):
            memory = np.ones(padded, dtype)
            memory[:n] = array
            inputs.append(memory)
        out = np.zeros(padded, result)
        address = self.library[self.symbols[case]]
        function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64)(
            address
        )
        pointers = [a.ctypes.data for a in inputs] + [0] * (3 - len(inputs))
        function(*pointers, out.ctypes.data, padded)
        return out[:n]


FLOATS = ("float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = ("bool", *INTEGERS, *FLOATS)


def specials(dtype):
    info = np.finfo(dtype)
    one = np.array(1, dtype)
    numbers = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, np.pi, np.inf, 1e6, 1e10, 3e38, 88.0]
    numbers += [89.0, 104.0, 710.0, 746.0, info.tiny, info.smallest_subnormal]
    numbers += [
        info.max,
        info.eps,
        np.nextafter(one, 0 * one),
        np.nextafter(one, 2 * one),
    ]
    with np.errstate(over="ignore"):
        values = np.array(numbers).astype(dtype)
    return np.concatenate([values, -values, np.array([np.nan], dtype)])


def grid(dtype, n=800, seed=0):
    """Special numbers, random bit patterns, and uniform numbers of several scales."""
    random = np.random.default_rng(seed)
    unsigned = np.uint32 if dtype == "float32" else np.uint64
    bits = random.integers(0, np.iinfo(unsigned).max, 4 * n, unsigned).view(dtype)
    uniform = [
        random.uniform(-width, width, n).astype(dtype)
        for width in (1e-3, 0.1, 1, 3, 10, 30, 110, 800, 1e5)
    ]
    near_one = (1 + random.normal(size=n) * 0.05).astype(dtype)
    return np.concatenate([specials(dtype), bits, *uniform, near_one])


def float_pairs(dtype, n=3000):
    random = np.random.default_rng(1)
    first, second = np.meshgrid(specials(dtype), specials(dtype))
    with np.errstate(over="ignore"):
        base = np.abs(random.normal(size=n) * 10.0 ** random.uniform(-3, 3, n))
        exponent = random.normal(size=n) * 10.0 ** random.uniform(-3, 2, n)
        whole = random.integers(-20, 20, (2, n))
        near_one = 1 + random.normal(size=n) * 1e-4
        large = random.normal(size=n) * (7e6 if dtype == "float64" else 8e5)
    x = np.concatenate([base, whole[0], near_one]).astype(dtype)
    y = np.concatenate([exponent, whole[1], large]).astype(dtype)
    bits = random.permutation(grid(dtype, 500)), random.permutation(grid(dtype, 500, 2))
    return (
        np.concatenate([first.ravel(), x, bits[0]]),
        np.concatenate([second.ravel(), y, bits[1]]),
    )
