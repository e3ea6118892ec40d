"""The engine: apply rules to a frozen graph until nothing changes; record each firing.

In: a graph and passes (named lists of rules). Out: a graph that computes the same, and
the list of firings. Nodes are visited once per sweep, inputs first; what a rule makes is
brought into normal form before anything that uses it is looked at. As nodes are
interned, equal expressions are visited once. Rules themselves, and what they may ask,
are in rule.py and context.py.

Rules may undo one another, or never come to an end. That is a fault of the rules, and
tests fail by it (`strict`); a compilation goes on: the rewrite that closes the circle is
refused where it does so, and of the graphs seen the cheapest is kept (`Cycle`).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from symgraph.core.graph import Graph
from symgraph.core.inner import all_applies
from symgraph.core.node import Apply, Variable, building
from symgraph.core.record import Record, fresh
from symgraph.core.traverse import applies
from symgraph.errors import RewriteError
from symgraph.loops.conditions import always
from symgraph.ops.families import Elementwise
from symgraph.rewrite.context import Context, Equalities
from symgraph.rewrite.firings import Cycle, Firing, Recorder, check
from symgraph.rewrite.pattern import SWAPPABLE
from symgraph.rewrite.rule import Rule, key_of

#: a pass over the whole graph at once: (graph, record) → new roots
Transform = Callable[[Graph, Context, Recorder], Sequence[Variable]]
COMMUTED = "commuted_to_same"
#: whether rules that go round in a circle are an error: tests set it
strict = False


class Pass(Record):
    """A named stage: rules that are applied until none fires, or a transform.

    `once` is for transforms whose result is final: they are not applied to it again.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    transforms: tuple[Transform, ...] = ()
    once: bool = False

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
    cycles: tuple[Cycle, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self.firings))


class RuleIndex:
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
        self._indexes: list[RuleIndex] = []
        self._tables: list[dict[tuple[str, int], list[Rule]]] = []

    def bit(self, index: RuleIndex) -> int:
        """The bit that stands for the local rules of an index."""
        if index not in self._indexes:
            self._indexes.append(index)
            self._tables.append({})
        return 1 << self._indexes.index(index)

    def tables(self, index: RuleIndex) -> dict[tuple[str, int], list[Rule]]:
        """The rules of an index that are left to try, by key and what was tried."""
        return self._tables[self.bit(index).bit_length() - 1]

    def names(self, bits: int) -> frozenset[str]:
        """The rules that a set of bits stands for."""
        sets = [x.local for i, x in enumerate(self._indexes) if bits >> i & 1]
        return frozenset().union(*sets)


class _Endless(Exception):
    """Rules that go round in a circle; `firing` is what to refuse, None: all of them."""

    def __init__(self, rules: Iterable[str], firing: Firing | None) -> None:
        super().__init__()
        self.rules = tuple(dict.fromkeys(rules))
        self.firing = firing


class Refused:
    """Rewrites that a pass leaves out, because they close a circle."""

    def __init__(self) -> None:
        self.rules: set[str] = set()
        self.at: set[tuple[str, Variable]] = set()

    def __contains__(self, found: tuple[str, Variable]) -> bool:
        return found[0] in self.rules or found in self.at

    def add(self, rule: str, v: Variable) -> None:
        """Leave out a rule at v; one that was often left out, everywhere."""
        self.at.add((rule, v))
        if sum(name == rule for name, _ in self.at) >= PATIENCE:
            self.rules.add(rule)


class Sweep:
    """One pass over a graph, inputs first, rules applied wherever they match."""

    def __init__(
        self,
        graph: Graph,
        index: RuleIndex,
        pass_name: str,
        statistics: Statistics,
        equal: Equalities | None = None,
        settled: "Settled | None" = None,
        refused: Refused | None = None,
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
        self._refused = Refused() if refused is None else refused
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
            recent = Counter(firing.rule for firing in self.firings[-100:])
            raise _Endless([rule for rule, _ in recent.most_common()], None)

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
                self._refuse({w for w in stack[stack.index(u) :] if w in waits})
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
                if new is not old:
                    self._refuse_return(new, old)
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
                found = rule.replacement(node, self.context)
                if found is None or found is v or (rule.name, v) in self._refused:
                    continue
                self.record(rule.name, v, found)
                self._refuse_return(found, v)
                self._becomes(v, found)
                return
            if key in SWAPPABLE and isinstance(op, Elementwise):
                pair = (key, frozenset(inputs))
                twin = self._twins.setdefault(pair, v)
                same = twin is not v and twin.type.shape == v.type.shape
                if same and (COMMUTED, v) not in self._refused:
                    self.record(COMMUTED, v, twin)
                    self._becomes(v, twin)
                    return
        for out in node.outputs:
            normal[out] = out
        self._settled.nodes[v] = done | self._bit

    def _refuse_return(self, new: Variable, v: Variable) -> None:
        """Refuse a circle if `new` has become v already: it would become v again."""
        circle = {v}
        while new is not v:
            circle.add(new)
            if new not in self._instead:
                return
            new = self._instead[new]
        self._refuse(circle)

    def _refuse(self, circle: set[Variable]) -> None:
        """Of the rewrites that lead round, the one from the cheapest form is refused."""
        found = [f for f in self.firings if f.old in circle]
        cheapest = min(found, key=lambda f: cost([f.old]))
        raise _Endless([f.rule for f in found], cheapest)

    def _becomes(self, old: Variable, new: Variable) -> None:
        self.context.inherit(old, new)
        if new is old:
            self._normal[old] = old
        else:
            self._instead[old] = new


def cost(roots: Iterable[Variable]) -> tuple[int, float]:
    """Compositions that are left to expand, and ops; those on scalars count less."""
    nodes = list(all_applies(list(roots)))
    left = sum(getattr(node.op, "decompose", None) is not None for node in nodes)
    work = sum(1.0 if any(v.ndim for v in node.outputs) else 0.05 for node in nodes)
    return left, work


MAX_SWEEPS = 24
#: sweeps that are begun again because of one rule
PATIENCE = 8


def run(
    graph: Graph,
    passes: Sequence[Pass],
    indexes: dict[str, RuleIndex] | None = None,
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
    indexes = {} if indexes is None else indexes
    place = building.place
    with graph.interner:
        try:
            work = _Run(Equalities(always(graph.roots), assume_equal, ties))
            for stage in passes:
                index = indexes.get(stage.name)
                if index is None or index.rules != stage.rules:
                    index = indexes[stage.name] = RuleIndex(stage.rules)
                start = time.perf_counter()
                graph = work.pass_over(graph, stage, index)
                spent = time.perf_counter() - start
                seconds = work.statistics.seconds
                seconds[stage.name] = seconds.get(stage.name, 0.0) + spent
        finally:
            building.place = place
    return Optimized(graph, tuple(work.firings), work.statistics, tuple(work.cycles))


class _Run:
    """What the passes of one `run` have in common."""

    def __init__(self, equal: Equalities) -> None:
        self.equal = equal
        self.statistics = Statistics()
        self.settled = Settled()
        self.firings: list[Firing] = []
        self.cycles: list[Cycle] = []

    def pass_over(self, graph: Graph, stage: Pass, index: RuleIndex) -> Graph:
        """Sweep over the graph until nothing changes."""
        refused = Refused()
        seen = [graph]
        start = len(self.firings)
        while len(seen) <= MAX_SWEEPS:
            count = len(self.firings)
            if stage.rules:
                graph = self._swept(graph, stage, index, refused)
            if stage.transforms:
                graph = self._transformed(graph, stage)
            if len(self.firings) == count or stage.once:
                return graph
            if not stage.transforms and not index.needs_users:
                return graph
            if graph.roots == seen[-1].roots:
                return graph
            back = next((i for i, g in enumerate(seen) if g.roots == graph.roots), None)
            if back is not None:
                seen = seen[back:]
                break
            seen.append(graph)
        names = dict.fromkeys(f.rule for f in self.firings[start:][-12:])
        self._stopped(Cycle(stage.name, tuple(names)))
        return min(reversed(seen), key=lambda g: cost(g.roots))

    def _stopped(self, cycle: Cycle) -> None:
        self.cycles.append(cycle)
        if strict:
            raise RewriteError(
                f"{cycle}\nLet one of them ask for what the other does not make."
            )

    def _swept(
        self, graph: Graph, stage: Pass, index: RuleIndex, refused: Refused
    ) -> Graph:
        """The graph after one sweep; again without what closes a circle."""
        while True:
            sweep = Sweep(
                graph, index, stage.name, self.statistics, self.equal, self.settled,
                refused,
            )  # fmt: skip
            try:
                roots = [sweep.normalize(v) for v in graph.roots]
            except _Endless as endless:
                firing = endless.firing
                if firing is None:
                    refused.rules.add(endless.rules[0])
                    variable = sweep.firings[-1].old
                else:
                    refused.add(firing.rule, firing.old)
                    variable = firing.old
                self._stopped(Cycle(stage.name, endless.rules, variable))
                continue
            self.firings.extend(sweep.firings)
            return graph.with_roots(roots)

    def _transformed(self, graph: Graph, stage: Pass) -> Graph:
        record = Recorder(stage.name, self.firings, self.cycles)
        for transform in stage.transforms:
            context = Context(applies(graph.roots), graph.roots, self.equal)
            roots = transform(graph, context, record)
            if any(a is not b for a, b in zip(roots, graph.roots, strict=True)):
                graph = graph.with_roots(roots)
        return graph
