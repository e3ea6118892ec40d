"""The engine: apply rules to a frozen graph until nothing changes; record each firing.

In: a graph and passes (named lists of rules). Out: a graph that computes the same, and
the list of firings. Nodes are visited once per sweep, inputs first; what a rule makes is
brought into normal form before anything that uses it is looked at. As nodes are
interned, equal expressions are visited once. Rules themselves, and what they may ask,
are in rule.py and context.py.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Place, Variable, building
from symgraph.core.record import Record, fresh
from symgraph.core.text import expression
from symgraph.core.traverse import applies
from symgraph.errors import RewriteError
from symgraph.ops.families import Elementwise
from symgraph.rewrite.context import Context, Equalities
from symgraph.rewrite.pattern import SWAPPABLE
from symgraph.rewrite.rule import Rule, key_of

#: a pass over the whole graph at once: (graph, record) → new roots
Transform = Callable[[Graph, Context, "Recorder"], Sequence[Variable]]
Recorder = Callable[[str, Variable, Variable], None]
DEPTH = 6


class Firing(Record):
    """One application of a rule.

    Attributes
    ----------
    rule : name of the rule
    old, new : the variable before and after
    place : (file, line) of the user's code
    pass_name : the pass it happened in
    """

    rule: str
    old: Variable
    new: Variable
    place: Place
    pass_name: str

    @property
    def before(self) -> str:
        """The expression before, in infix; what is deep inside is left out."""
        return shallow(self.old)

    @property
    def after(self) -> str:
        """The expression after."""
        return shallow(self.new)

    def __str__(self) -> str:
        file, line = self.place
        return f"{self.rule}: {self.before} -> {self.after}  ({file}:{line})"


class Pass(Record):
    """A named stage: rules that are applied until none fires, or a transform."""

    name: str
    rules: tuple[Rule, ...] = ()
    transforms: tuple[Transform, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(r.name for r in self.rules)}"


class Statistics(Record, frozen=False):
    """How much work was done: node visits, rules tried, seconds of each pass."""

    visits: int = 0
    attempts: int = 0
    sweeps: int = 0
    seconds: dict[str, float] = fresh(factory=dict)


class Optimized(Record):
    """A rewritten graph and how it came about."""

    graph: Graph
    firings: tuple[Firing, ...] = ()
    statistics: Statistics = fresh(factory=Statistics)

    def __str__(self) -> str:
        return "\n".join(map(str, self.firings))


def shallow(v: Variable, depth: int = DEPTH) -> str:
    """`expression` of v without what lies deeper than `depth` operations."""
    names: dict[Variable, str] = {}
    level = {v}
    for _ in range(depth):
        level = {u for w in level if w.owner for u in w.owner.inputs}
    for u in level:
        if u.owner is not None and u is not v:
            names[u] = u.name or "..."
    return expression(v, names)


class Index:
    """Rules by the key of the nodes they are tried on."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._by_key: dict[str, list[Rule]] = {}
        for rule in self.rules:
            for key in rule.on:
                self._by_key.setdefault(key, []).append(rule)
        self._everywhere = self._by_key.pop("*", [])
        #: rules whose answer depends on the node alone: tried once on each node
        self.local = frozenset(r.name for r in self.rules if not r.needs_users)
        self.needs_users = any(rule.needs_users for rule in self.rules)

    def __getitem__(self, key: str) -> list[Rule]:
        return self._everywhere + self._by_key.get(key, [])


class Settled:
    """Which local rules have been tried on which variables without success."""

    def __init__(self) -> None:
        self.nodes: dict[Variable, int] = {}
        self._indexes: list[Index] = []
        self._tables: list[dict[tuple[str, int], list[Rule]]] = []

    def bit(self, index: Index) -> int:
        """The bit that stands for the local rules of an index."""
        if index not in self._indexes:
            self._indexes.append(index)
            self._tables.append({})
        return 1 << self._indexes.index(index)

    def tables(self, index: Index) -> dict[tuple[str, int], list[Rule]]:
        """The rules of an index that are left to try, by key and what was tried."""
        return self._tables[self.bit(index).bit_length() - 1]

    def names(self, bits: int) -> frozenset[str]:
        """The rules that a set of bits stands for."""
        sets = [x.local for i, x in enumerate(self._indexes) if bits >> i & 1]
        return frozenset().union(*sets)


class Sweep:
    """One pass over a graph, inputs first, rules applied wherever they match."""

    def __init__(
        self,
        graph: Graph,
        index: Index,
        pass_name: str,
        statistics: Statistics,
        equal: Equalities | None = None,
        settled: "Settled | None" = None,
    ) -> None:
        self.index = index
        self.pass_name = pass_name
        self.statistics = statistics
        nodes = graph.applies()
        self.context = Context(nodes, graph.roots, equal)
        self.firings: list[Firing] = []
        self.limit = 1000 + 50 * len(nodes)
        self._normal: dict[Variable, Variable] = {}
        self._instead: dict[Variable, Variable] = {}
        self._twins: dict[tuple[str, frozenset[Variable]], Variable] = {}
        self._settled = settled if settled is not None else Settled()
        self._bit = self._settled.bit(index)
        self._tables = self._settled.tables(index)
        statistics.sweeps += 1

    def record(self, rule: str, old: Variable, new: Variable) -> None:
        """Check a replacement and write it down."""
        check(rule, old, new)
        if new.name is None and old.name is not None and new.owner is not None:
            new.name = old.name
        self.firings.append(Firing(rule, old, new, old.place, self.pass_name))
        if len(self.firings) > self.limit:
            recent = [firing.rule for firing in self.firings[-12:]]
            raise RewriteError(
                f"pass {self.pass_name}: more than {self.limit} rewrites; the last "
                f"rules were {', '.join(dict.fromkeys(recent))}"
            )

    def normalize(self, root: Variable) -> Variable:
        """The normal form of a variable."""
        normal, instead = self._normal, self._instead
        if root in normal:
            return normal[root]
        waits: set[Variable] = set()
        stack = [root]
        while stack:
            v = stack[-1]
            if v in normal:
                stack.pop()
                waits.discard(v)
                continue
            target = instead.get(v)
            if target is not None:
                if target in normal:
                    normal[v] = normal[target]
                else:
                    self._push([target], v, stack, waits)
                continue
            node = v.owner
            if node is None:
                normal[v] = v
                continue
            waiting = [u for u in node.inputs if u not in normal]
            if waiting:
                waiting.reverse()
                self._push(waiting, v, stack, waits)
                continue
            self._visit(v, node)
        return normal[root]

    def _push(
        self,
        needed: Iterable[Variable],
        v: Variable,
        stack: list[Variable],
        waits: set[Variable],
    ) -> None:
        """Bring `needed` into normal form before v, which waits for them."""
        waits.add(v)
        for u in needed:
            if u in waits:
                rules = dict.fromkeys(f.rule for f in self.firings[-8:])
                raise RewriteError(
                    f"pass {self.pass_name}: rules undo one another, or contain what "
                    f"they replace; the last ones were {', '.join(rules)}"
                )
            stack.append(u)

    def _visit(self, v: Variable, node: Apply) -> None:
        """Give v a normal form or something to become."""
        normal = self._normal
        self.statistics.visits += 1
        building.place = v.place
        inputs = node.inputs
        for u in inputs:
            if normal[u] is not u:
                inputs = tuple([normal[u] for u in inputs])
                break
        if inputs is not node.inputs:
            for old, new in zip(node.outputs, node.op.make(*inputs), strict=True):
                if new is not old and self._leads_to(new, old):
                    normal[new] = new  # a rule made `old` of it: that ends here
                self._becomes(old, new)
                if new.name is None:
                    new.name = old.name
            return
        op = node.op
        key = op.scalar if type(op) is Elementwise else key_of(node)
        done = self._settled.nodes.get(v, 0)
        rules = self._tables.get((key, done))
        if rules is None:
            skipped = self._settled.names(done)
            rules = [rule for rule in self.index[key] if rule.name not in skipped]
            self._tables[key, done] = rules
        if len(node.outputs) == 1:
            self.statistics.attempts += len(rules)
            for rule in rules:
                new = rule.replacement(node, self.context)
                if new is not None and not self._leads_to(new, v):
                    self.record(rule.name, v, new)
                    self._becomes(v, new)
                    return
            if key in SWAPPABLE and isinstance(op, Elementwise):
                pair = (key, frozenset(inputs))
                twin = self._twins.setdefault(pair, v)
                if twin is not v and twin.type.shape == v.type.shape:
                    self.record("commuted_to_same", v, twin)
                    self._becomes(v, twin)
                    return
        for out in node.outputs:
            normal[out] = out
        self._settled.nodes[v] = done | self._bit

    def _leads_to(self, new: Variable, v: Variable) -> bool:
        """Whether `new` has become v already: going back to it would never end."""
        while new is not v:
            if new not in self._instead:
                return False
            new = self._instead[new]
        return True

    def _becomes(self, old: Variable, new: Variable) -> None:
        self.context.inherit(old, new)
        if new is old:
            self._normal[old] = old
        else:
            self._instead[old] = new


def check(rule: str, old: Variable, new: Variable) -> None:
    """Raise RewriteError where a replacement changes what is known of the type."""
    if (
        old.type.dtype != new.type.dtype
        or old.ndim != new.ndim
        or any(
            o is not None and o != n
            for o, n in zip(old.type.shape, new.type.shape, strict=True)
        )
    ):
        raise RewriteError(
            f"rule {rule}: {old.type} became {new.type}\n"
            f"  {expression(old)}\n  {expression(new)}"
        )


MAX_SWEEPS = 24


def run(
    graph: Graph,
    passes: Sequence[Pass],
    indexes: dict[str, Index] | None = None,
    assume_equal: bool = False,
    ties: Sequence[tuple[Variable, Variable]] = (),
) -> Optimized:
    """Rewrite a frozen graph by the passes, one after the other.

    Parameters
    ----------
    graph, passes : what is rewritten, and by what
    indexes : tables of rules by pass, kept from one call to the next
    assume_equal : take unknown extents that meet in an elementwise op as equal; the
        caller has to check that none of them is 1 where the other is not
    ties : pairs of extents that are equal
    """
    statistics = Statistics()
    firings: list[Firing] = []
    indexes = {} if indexes is None else indexes
    place = building.place
    with graph.interner:
        try:
            equal = Equalities(graph.applies(), assume_equal, ties)
            settled = Settled()
            for stage in passes:
                index = indexes.get(stage.name)
                if index is None or index.rules != stage.rules:
                    index = indexes[stage.name] = Index(stage.rules)
                start = time.perf_counter()
                graph = _run_pass(
                    graph, stage, index, statistics, firings, equal, settled
                )
                spent = time.perf_counter() - start
                statistics.seconds[stage.name] = (
                    statistics.seconds.get(stage.name, 0.0) + spent
                )
        finally:
            building.place = place
    return Optimized(graph, tuple(firings), statistics)


def _run_pass(
    graph: Graph,
    stage: Pass,
    index: Index,
    statistics: Statistics,
    firings: list[Firing],
    equal: Equalities,
    settled: Settled,
) -> Graph:
    seen = {graph.roots}
    for _ in range(MAX_SWEEPS):
        count = len(firings)
        if stage.rules:
            sweep = Sweep(graph, index, stage.name, statistics, equal, settled)
            graph = graph.with_roots([sweep.normalize(v) for v in graph.roots])
            firings.extend(sweep.firings)
        if stage.transforms:
            graph = _transform(graph, stage, firings, equal)
        elif not index.needs_users:
            return graph
        if len(firings) == count or graph.roots in seen:
            return graph  # nothing changed, or two forms of equal cost take turns
        seen.add(graph.roots)
    recent = dict.fromkeys(firing.rule for firing in firings[-12:])
    raise RewriteError(
        f"pass {stage.name}: no end after {MAX_SWEEPS} sweeps; the last rules were "
        f"{', '.join(recent)}"
    )


def _transform(
    graph: Graph, stage: Pass, firings: list[Firing], equal: Equalities
) -> Graph:
    for transform in stage.transforms:
        nodes = applies(graph.roots)

        def record(rule: str, old: Variable, new: Variable) -> None:
            check(rule, old, new)
            if new.name is None and old.name is not None and new.owner is not None:
                new.name = old.name
            firings.append(Firing(rule, old, new, old.place, stage.name))

        roots = transform(graph, Context(nodes, graph.roots, equal), record)
        if any(a is not b for a, b in zip(roots, graph.roots, strict=True)):
            graph = graph.with_roots(roots)
    return graph
