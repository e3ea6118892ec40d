"""symgraph beside other frameworks: the same networks and functions, measured side by side.

``python -m benchmarks`` runs it (see ``--help``). In: the work tree and whatever peers
the given interpreters have. Out: JSON, a Markdown table, a picture, docs/benchmarks.md.

workloads.py       what is computed: networks, functions, data, first parameters
reference.py       the same in NumPy by hand, forward and backward: the truth, and a peer
frameworks/        one file per framework; ``__init__`` lists their variants
worker.py          one framework in one process: opens workloads, measures bursts
process.py         starts workers, talks with them, keeps idle ones stopped
schedule.py        who runs when: starts, interleaved rounds, thread counts
results.py         the JSON file; ratios with their spread
targets.py         what symgraph is meant to reach, reached or missed; reasons.toml says why
page.py            Markdown tables and docs/benchmarks.md;  picture.py draws the ratios

Nothing here is part of the installed package, and only ``frameworks/on_symgraph.py``
imports it, so a peer's interpreter needs NumPy and the peer.
"""
