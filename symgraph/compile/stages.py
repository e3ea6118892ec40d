"""The stages of a compiled function as values that print.

`graph`, `optimized`, `kernels`, `source`, `explain()`, `to_networkx()`.
They are computed when asked, by the same passes that compiled the function; a function
that came from the cache has them too.
"""

from textwrap import indent
from typing import Any

from symgraph.backends.base import Options
from symgraph.compile.build import Timings
from symgraph.compile.profiling import Profiling
from symgraph.compile.specialization import Specialization
from symgraph.core.graph import Graph
from symgraph.core.text import expression, program
from symgraph.lower.sizes import SizePolynomial


class Text(str):
    """A string that shows itself unquoted at the prompt."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Stages(Profiling):
    """What `CompiledFunction` inherits to show its stages."""

    specialization: Specialization
    options: Options
    timings: Timings
    name: str | None

    @property
    def graph(self) -> Text:
        """The graph as the user built it, one node a line."""
        return Text(program(self.specialization.graph))

    @property
    def optimized(self) -> Text:
        """The graph after all rewrites."""
        return Text(program(self.rewritten.graph))

    @property
    def rewritten(self) -> Any:
        """The rewritten graph and its firings (`rewrite.engine.Optimized`)."""
        return self.lowered.rewritten

    @property
    def program(self) -> Any:
        """The lowered program (`lower.steps.Program`)."""
        return self.lowered.program

    @property
    def kernels(self) -> Text:
        """The loops of every kernel, in Kernel IR, and the steps that run them."""
        from symgraph.lower import ir

        made = self.program
        parts = [ir.text(kernel) for kernel in made.kernels.values()]
        steps = indent("\n".join(_step(s, made.slots) for s in made.steps), "  ")
        return Text("\n\n".join([*parts, "program\n" + steps]))

    @property
    def source(self) -> Text:
        """The kernels as Python source."""
        from symgraph.backends.writer import source

        return Text(source(*self.program.kernels.values()))

    def explain(self) -> Text:
        """Every rewrite that was made, then the graph, kernels and timings.

        Each line tells the rule, the expression before and after, and the user's line.
        """
        lines = [f"function {self.name or ''}".rstrip(), "", "graph", self.graph, ""]
        firings = self.rewritten.firings
        lines.append(f"rewrites ({len(firings)})")
        for number, firing in enumerate(firings, 1):
            file, line = firing.place
            before, after = (
                side if isinstance(side, str) else expression(side)
                for side in (firing.before, firing.after)
            )
            lines.append(
                f"{number:4} {firing.rule}: {before}  ->  {after}   [{file}:{line}]"
            )
        if self.rewritten.cycles:
            lines.append("stopped")
            lines += [f"     {cycle}" for cycle in self.rewritten.cycles]
        lines += ["", "optimized", self.optimized, "", "kernels", self.kernels, ""]
        lines.append(
            "compilation" + (" (from the cache)" if self.timings.cached else "")
        )
        for stage, seconds in self.timings.stages.items():
            lines.append(f"  {stage:12} {seconds * 1e3:9.2f} ms")
        return Text("\n".join(lines))

    def to_networkx(self) -> Any:
        """The graph as networkx.DiGraph: a node for each variable, edges to its users."""
        import networkx

        made = networkx.DiGraph()
        graph: Graph = self.specialization.graph
        for leaf in graph.leaves():
            made.add_node(id(leaf), label=expression(leaf), type=repr(leaf.type))
        for node in graph.applies():
            for variable in node.outputs:
                made.add_node(
                    id(variable), label=str(node.op), type=repr(variable.type)
                )
                made.add_edges_from((id(v), id(variable)) for v in node.inputs)
        return made


def _step(step: Any, slots: list[Any]) -> str:
    def name(slot: int) -> str:
        what = slots[slot]
        return (
            str(what)
            if isinstance(what, SizePolynomial)
            else "".join(map(str, what[:2]))
        )

    def inside(steps: Any) -> str:
        return "".join("\n" + indent(_step(s, slots), "  ") for s in steps)

    kind = type(step).__name__
    if kind == "Loop":
        return f"repeat {name(step.count)} times{inside(step.body)}"
    if kind == "Branch":
        then, otherwise = inside(step.then), inside(step.otherwise)
        return f"if {name(step.condition)}{then}\nelse{otherwise}"
    if kind == "HostCall":
        return f"host {step.number}"
    if kind == "ResolveExtents":
        return f"resolve extents {step.number}"
    if kind == "Demand":
        return f"demand that {', '.join(map(name, step.guards))} are 0"
    if kind == "Launch":
        sizes = ", ".join(name(s) for s in step.sizes)
        buffers = ", ".join(name(b) for b in step.buffers)
        return f"{step.kernel}({buffers}; {sizes})"
    if kind == "Copy":
        return f"{name(step.target)} = {name(step.source)}"
    if kind == "Convolution":
        image, window = (
            "x".join(name(e) for e in (step.batch, step.channels, *step.extents)),
            "x".join(name(e) for e in (step.filters, step.depth, *step.window)),
        )
        made = {"forward": "y", "input": "x", "filters": "w"}[step.kind]
        parts = {part: name(getattr(step, part)) for part in "xwy"}
        given = ", ".join(parts[part] for part in "xwy" if part != made)
        return f"{parts[made]} = {step.kind} convolution({given}; {image}, {window})"
    a, b = (name(o.buffer) + (".T" if o.transposed else "") for o in (step.a, step.b))
    return f"{name(step.c)} = {step.alpha} * {a} @ {b} + {step.beta} * {name(step.c)}"
