"""Two small kernels that show what a core can do: multiply-adds, and moving memory.

    void sg_peak_flops(ptr out, i64 n)          n rounds of CHAINS independent vector FMAs
    void sg_peak_bytes(ptr x, ptr y, i64 n,     y[i] = x[i] / 2 + y[i], over and over;
                       i64 times)               n a multiple of 64

In: a dtype and the features of the target. Out: the text of an LLVM module. Timing them
is left to roofline.py.
"""

from symgraph.backends.cpu.target import features, vector_bytes
from symgraph.core.dtypes import ITEMSIZE

#: independent chains: latency times throughput of the FMA units of present cores, and
#: with two operands they fit into 16 registers
CHAINS = 12
_LETTERS = {"float32": ("f32", "float"), "float64": ("f64", "double")}


def flops_of_round(dtype: str) -> int:
    """Floating point operations of one round of `sg_peak_flops`."""
    return 2 * CHAINS * (vector_bytes(features()) // ITEMSIZE[dtype])


def peak_text(dtype: str) -> str:
    """The LLVM module of both kernels."""
    lanes = vector_bytes(features()) // ITEMSIZE[dtype]
    suffix, element = _LETTERS[dtype]
    vector = f"<{lanes} x {element}>"
    fma = f"@llvm.fma.v{lanes}{suffix}"
    count = range(CHAINS)
    heads = "\n".join(
        f"  %a{k} = phi {vector} [ splat ({element} {float(k + 1)}), %entry ], "
        f"[ %n{k}, %loop ]"
        for k in count
    )
    body = "\n".join(
        f"  %n{k} = call {vector} {fma}({vector} %a{k}, {vector} %x, {vector} %y)"
        for k in count
    )
    sums = "\n".join(
        f"  %s{k} = fadd {vector} %{'s' if k > 1 else 'n'}{k - 1}, %n{k}"
        for k in count[1:]
    )
    moves = "\n".join(
        f"""  %i{k} = add i64 %i, {k * lanes}
  %xp{k} = getelementptr {element}, ptr %x, i64 %i{k}
  %yp{k} = getelementptr {element}, ptr %y, i64 %i{k}
  %xv{k} = load {vector}, ptr %xp{k}, align 64
  %yv{k} = load {vector}, ptr %yp{k}, align 64
  %m{k} = call {vector} {fma}({vector} %xv{k}, {vector} splat ({element} 5.0e-01), """
        f"""{vector} %yv{k})
  store {vector} %m{k}, ptr %yp{k}, align 64"""
        for k in range(4)
    )
    wide = '"prefer-vector-width"="512" "min-legal-vector-width"="512"'
    return f"""
declare {vector} {fma}({vector}, {vector}, {vector})

define void @sg_peak_flops(ptr %out, i64 %n) #0 {{
entry:
  %x = load {vector}, ptr %out, align 64
  %y.at = getelementptr {vector}, ptr %out, i64 1
  %y = load {vector}, ptr %y.at, align 64
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]
{heads}
{body}
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %loop, label %done
done:
{sums}
  store {vector} %s{CHAINS - 1}, ptr %out, align 64
  ret void
}}

define void @sg_peak_bytes(ptr %x, ptr %y, i64 %n, i64 %times) #0 {{
entry:
  br label %again
again:
  %t = phi i64 [ 0, %entry ], [ %t.next, %over ]
  br label %loop
loop:
  %i = phi i64 [ 0, %again ], [ %i.next, %loop ]
{moves}
  %i.next = add i64 %i, {4 * lanes}
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %loop, label %over
over:
  %t.next = add i64 %t, 1
  %t.more = icmp slt i64 %t.next, %times
  br i1 %t.more, label %again, label %done
done:
  ret void
}}

attributes #0 = {{ nounwind {wide if lanes * ITEMSIZE[dtype] == 64 else ""} }}
"""
