"""The passes in order, as data, and `optimize`, which runs them.

    canonicalize   shapes, casts, constants, algebra; sums and products collected
    scans          work is moved out of loops
    stabilize      formulas that overflow or cancel become ones that do not
    specialize     forms that the machine does faster: shared sums, gemm
    layout         images with the channels last inside
    epilogues      what follows a convolution is done in it
    expand         named compositions become primitive ops, powers products
    branches       what one branch alone needs is evaluated in it
    steps          the steps of loops go through all passes

In: a frozen graph. Out: the rewritten graph and what was done to it. Each pass prints
its rules; `rules_table` is the text of docs/reference/rules.md.
"""

from collections.abc import Sequence

from symgraph.core.graph import Graph
from symgraph.core.node import Variable
from symgraph.core.text import expression
from symgraph.rewrite.branches import JOINED, sink_branches
from symgraph.rewrite.branches import NAME as SUNK
from symgraph.rewrite.collect import collect_factors, collect_terms
from symgraph.rewrite.distribute import DISTRIBUTION
from symgraph.rewrite.engine import Optimized, Pass, RuleIndex, Transform, run
from symgraph.rewrite.fold import fold
from symgraph.rewrite.registry import present
from symgraph.rewrite.reuse import NAME, reuse_sums
from symgraph.rewrite.rule import Rule
from symgraph.rewrite.rules.algebra import ALGEBRA
from symgraph.rewrite.rules.elementwise import ELEMENTWISE_RULES
from symgraph.rewrite.rules.expand import EXPAND, MARKERS, composition_to_primitives
from symgraph.rewrite.rules.images import IMAGE_RULES, positive_to_positive_leaky
from symgraph.rewrite.rules.joins import JOINS
from symgraph.rewrite.rules.layout import LAYOUT, channels_first_to_channels_last
from symgraph.rewrite.rules.linear import GEMM, LINEAR
from symgraph.rewrite.rules.masks import MASKS
from symgraph.rewrite.rules.scatters import SCATTERS
from symgraph.rewrite.rules.shapes import SHAPES
from symgraph.rewrite.rules.slices import SLICES, slices_of_elementwise_to_elementwise
from symgraph.rewrite.rules.stability import EARLY, STABILITY
from symgraph.rewrite.scans import LOOP_RULES, STEP_RULES, ScanRewriter

CLEANING: tuple[Rule, ...] = (
    fold,
    *MARKERS,
    *ELEMENTWISE_RULES,
    *SHAPES,
    *SLICES,
)
COLLECTING: tuple[Rule, ...] = (collect_terms, collect_factors)

CANONICALIZE = Pass(
    "canonicalize", (*CLEANING, *EARLY, *MASKS, *ALGEBRA, *LINEAR, *COLLECTING)
)
STABILIZE = Pass(
    "stabilize",
    (
        *CLEANING,
        *STABILITY,
        *DISTRIBUTION,
        *ALGEBRA,
        *LINEAR,
        *COLLECTING,
    ),  # fmt: skip
)
SHARE = Pass("share", (), (reuse_sums,))
SPECIALIZE = Pass("specialize", (*GEMM, *SCATTERS, *JOINS, positive_to_positive_leaky))
CHANNELS_LAST = Pass("layout", LAYOUT)
EPILOGUES = Pass("epilogues", IMAGE_RULES)
EXPANSION = Pass("expand", (*EXPAND, *CLEANING, slices_of_elementwise_to_elementwise))
BRANCHES = Pass("branches", (), (sink_branches,))
_LOOPS = ScanRewriter(
    clean=lambda graph, *given: optimize(graph, stages()[:2], *given),
    simplify=lambda graph, *given: optimize(graph, stages()[:1], *given),
    finish=lambda graph, *given: optimize(graph, None, *given),
)
SCANS: Pass = Pass("scans", (), (_LOOPS.reduce_scans,))
STEPS = Pass("steps", (), (_LOOPS.finish_scans,), once=True)

DEFAULT: tuple[Pass, ...] = (
    CANONICALIZE, SCANS, STABILIZE, SHARE, SPECIALIZE, CHANNELS_LAST, EPILOGUES,
    EXPANSION, BRANCHES, STEPS,
)  # fmt: skip
#: what lowering cannot do without: its loops are those of primitive ops, and of images
#: with the channels last
LOWERABLE = Pass(
    "lowerable",
    (composition_to_primitives, channels_first_to_channels_last, *MARKERS),
)
_PLAIN = ScanRewriter(*[lambda graph, *given: optimize(graph, REQUIRED, *given)] * 3)
REQUIRED: tuple[Pass, ...] = (
    LOWERABLE, Pass("steps", (), (_PLAIN.finish_scans,), once=True),
)  # fmt: skip
#: transform → the names of what it does, and what that is
DONE: dict[Transform, tuple[tuple[str, str], ...]] = {
    reuse_sums: (
        (
            NAME,
            "a sum that contains another sum of the graph is built from it: "
            "p + mu*v - lr*g beside v' = mu*v - lr*g becomes p + v'",
        ),
    ),
    sink_branches: (
        (JOINED, "`ifelse` of one condition that do not read one another become one"),
        (SUNK, "what only one branch of an `ifelse` needs is evaluated in that branch"),
    ),
}
DONE[_LOOPS.reduce_scans] = LOOP_RULES
DONE[_LOOPS.finish_scans] = STEP_RULES
_indexes: dict[str, RuleIndex] = {}


def optimize(
    graph: Graph,
    passes: Sequence[Pass] | None = None,
    assume_equal: bool = False,
    ties: Sequence[tuple[Variable, Variable]] = (),
) -> Optimized:
    """Rewrite a frozen graph.

    Parameters
    ----------
    graph : Graph
    passes : in the order in which they run; None: those of the package, with the rules
        that the user registered
    assume_equal, ties : see `engine.run`

    Returns
    -------
    Optimized : `.graph`, a new Graph with the same inputs, and `.firings`

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> from symgraph.core.graph import freeze
    >>> x, y = T.dvectors("x", "y")
    >>> print(optimize(freeze([x, y], [(x + y) + (x + y)])).firings[0].after)
    2 * (x + y)
    """
    return run(
        graph, stages() if passes is None else passes, _indexes, assume_equal, ties
    )


def stages() -> tuple[Pass, ...]:
    """The passes of the package, with the rules of the user."""
    table = present()
    if not table:
        return DEFAULT
    return tuple(p.replace(rules=(*table.get(p.name, ()), *p.rules)) for p in DEFAULT)


def all_rules(passes: Sequence[Pass] = DEFAULT) -> list[Rule]:
    """The rules of the passes, each once, in order of first use."""
    return list(dict.fromkeys(rule for stage in passes for rule in stage.rules))


def rules_table(passes: Sequence[Pass] = DEFAULT) -> str:
    """Text of docs/reference/rules.md: every rule, with its NaN label and source."""
    lines = [
        "# Rewrite rules",
        "",
        "Made from the tables in `symgraph/rewrite/rules/`. *NaN* tells what a rule does",
        "to NaN and infinite operands: *exact* keeps them, *may hide NaN* may give a",
        "number where the original gives NaN. Sums and products of floats are",
        "reassociated.",
    ]
    seen: set[str] = set()
    for stage in passes:
        new = [r for r in stage.rules if r.name not in seen]
        seen.update(r.name for r in new)
        if stage.transforms:
            lines += ["", f"## Pass `{stage.name}`", "", "| rule | rewrite | NaN |",
                      "| --- | --- | --- |"]  # fmt: skip
            for transform in stage.transforms:
                lines += [f"| `{n}` | {text} | exact |" for n, text in DONE[transform]]
        if not new:
            continue
        lines += [
            "", f"## Pass `{stage.name}`", "",
            "| rule | rewrite | NaN | dtypes | source |",
            "| --- | --- | --- | --- | --- |",
        ]  # fmt: skip
        for one in new:
            if one.before is not None and one.after is not None:
                text = f"`{expression(one.before)}` → `{expression(one.after)}`"
            else:
                text = one.text
            text = text.replace("|", "\\|")
            lines.append(
                f"| `{one.name}` | {text} | {one.nan} | {one.dtypes} | {one.source} |"
            )
    return "\n".join(lines) + "\n"
