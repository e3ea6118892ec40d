"""Pages of docs/reference that hold the docstrings of a module's public things in full.

In: modules whose things carry docstrings in NumPy form (formula first, then parameters with
shapes). Out: Markdown. `docs/make_reference.py` writes the pages.
"""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

from symgraph import nn

#: a section of a docstring in NumPy form: its title, underlined
_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.M)


def documented(module: Any) -> dict[str, Any]:
    """Public classes and functions of a module, those it defines or exports by name."""
    names = getattr(module, "__all__", None)
    found = {}
    for name, value in vars(module).items():
        if name.startswith("_") or not (
            inspect.isclass(value) or inspect.isroutine(value)
        ):
            continue
        if name in names if names is not None else value.__module__ == module.__name__:
            found[name] = value
    return found


def aliases(module: Any) -> dict[str, list[str]]:
    """Name of a thing → its other names in the module."""
    found: dict[str, list[str]] = {}
    for name, value in documented(module).items():
        if name != value.__name__:
            found.setdefault(value.__name__, []).append(name)
    return found


def module_page(
    title: str, intro: str, parts: Iterable[tuple[str, Iterable[tuple[str, Any]]]],
    others: dict[str, list[str]], signature: Callable[[Any], str], note: str,
) -> str:  # fmt: skip
    """A page: what there is, as a table, and then each thing in full.

    Parameters
    ----------
    parts : heading → things with their names; "" for no heading
    others : name → other names
    """
    shown = [(heading, list(things)) for heading, things in parts]
    lines = [
        f"# {title}",
        "",
        note,
        "",
        intro,
        "",
        "| name | what it is |",
        "| --- | --- |",
    ]
    for _, things in shown:
        for name, value in things:
            lines.append(f"| [`{name}`](#{name.lower()}) | {_cell(_first(value))} |")
    for heading, things in shown:
        if heading:
            lines += ["", f"## {heading}"]
        mark = "###" if heading else "##"
        for name, value in things:
            lines += ["", f"{mark} {name}", "", f"`{name}{signature(value)}`", ""]
            if others.get(name):
                lines += [f"Also `{'`, `'.join(others[name])}`.", ""]
            lines += [markdown(inspect.getdoc(value) or "")]
    return "\n".join(lines) + "\n"


def markdown(docstring: str) -> str:
    """A docstring in NumPy form as Markdown."""
    pieces = _SECTION.split(docstring)
    head, rest = pieces[0], pieces[1:]
    formula, _, prose = head.strip().partition("\n\n")
    if "=" in formula:
        formula = f"```text\n{formula}\n```"
    out = [formula, *([prose] if prose else [])]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        body = textwrap.dedent(body.strip("\n"))
        if title == "Examples":
            out.append(f"```pycon\n{body}\n```")
        elif title in ("Parameters", "Attributes", "Raises") or (
            title == "Returns" and " : " in body
        ):
            out.append(f"**{title}**\n\n{_entries(body)}")
        else:
            out.append(f"**{title}**\n\n{body}")
    return "\n\n".join(out)


def _entries(body: str) -> str:
    """One item for each `name : what it is`, with the lines below it."""
    items: list[str] = []
    for line in body.splitlines():
        if line and not line.startswith(" "):
            name, colon, text = line.partition(" : ")
            items.append(f"- `{name}`: {text}" if colon else f"- {line}")
        elif line.strip():
            items.append(f"  {line.strip()}")
    return "\n".join(items)


def _first(value: Any) -> str:
    return " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())


def _cell(text: str) -> str:
    return (
        text.replace("|", "\\|") if "=" not in text else f"`{text}`".replace("|", "\\|")
    )


# --- nn ----------------------------------------------------------------------------

#: module of nn/layers → heading in nn-layers.md, in reading order
LAYERS = {
    "base": "What every layer is made of",
    "input": "Where a network begins",
    "helper": "Whole networks",
    "dense": "Dense",
    "embedding": "Embedding",
    "conv": "Convolution",
    "transposed": "Transposed convolution",
    "separable": "Depthwise and separable convolution",
    "local": "Local connections",
    "pool": "Pooling",
    "pyramid": "Pooling",
    "feature_pool": "Pooling over features",
    "upscale": "Upscaling",
    "recurrent": "Recurrent",
    "recurrent_gates": "Recurrent",
    "attention": "Attention",
    "normalization": "Normalisation",
    "feature_norm": "Normalisation",
    "noise": "Noise",
    "special": "One function",
    "rectifiers": "Rectifiers",
    "shape": "Shape",
    "merge": "Several inputs",
    "inverse": "Backwards",
    "transformer": "Spatial transformers",
    "blocks": "Blocks",
}


def layers_parts() -> list[tuple[str, list[tuple[str, Any]]]]:
    """Layers and functions on them under their headings."""
    found: dict[str, list[tuple[str, Any]]] = {h: [] for h in LAYERS.values()}
    for name, value in sorted(documented(nn.layers).items()):
        if name == value.__name__:
            heading = LAYERS[value.__module__.rpartition(".")[2]]
            found[heading].append((name, value))
    return [(heading, things) for heading, things in found.items() if things]


def _parts(module: Any) -> list[tuple[str, list[tuple[str, Any]]]]:
    things = documented(module).items()
    return [("", [(name, value) for name, value in things if name == value.__name__])]


#: file → title, text below it, module, what stands on it
PAGES: dict[str, tuple[str, str, Any, Callable[[], Any]]] = {
    "nn-layers.md": (
        "Layers",
        "All are names of `symgraph.nn.layers`. [How to add one](../howto/add-a-layer.md).",
        nn.layers, layers_parts,
    ),
    "nn-nonlinearities.md": (
        "Nonlinearities",
        "All are names of `symgraph.nn.nonlinearities`. Instances of the classes with "
        "usual settings: `leaky_rectify`, `very_leaky_rectify`, `selu`.",
        nn.nonlinearities, lambda: _parts(nn.nonlinearities),
    ),
    "nn-init.md": (
        "Initialisers",
        "All are names of `symgraph.nn.init`: what parameters are before training.",
        nn.init, lambda: _parts(nn.init),
    ),
    "nn-objectives.md": (
        "Losses and accuracies",
        "All are names of `symgraph.nn.objectives`. They give a number for each item; "
        "`aggregate` or `mean()` makes a scalar of them.",
        nn.objectives, lambda: _parts(nn.objectives),
    ),
    "nn-updates.md": (
        "Update rules",
        "All are names of `symgraph.nn.updates`. g is the gradient of a parameter w, eta "
        "the learning rate; state starts at 0. A rule gives a dictionary for the "
        "`updates` of `symgraph.function`.",
        nn.updates, lambda: _parts(nn.updates),
    ),
    "nn-regularization.md": (
        "Regularization",
        "All are names of `symgraph.nn.regularization`.",
        nn.regularization, lambda: _parts(nn.regularization),
    ),
}  # fmt: skip


def pages(signature: Callable[[Any], str], note: str) -> dict[str, Callable[[], str]]:
    """File → function that makes its text."""

    def maker(
        title: str, intro: str, module: Any, parts: Callable[[], Any]
    ) -> Callable[[], str]:
        return lambda: module_page(
            title, intro, parts(), aliases(module), signature, note
        )

    return {name: maker(*entry) for name, entry in PAGES.items()}
