"""The glossary holds every word that is used in a special sense, once, and no others."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "symgraph"
PAGE = (ROOT / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8")
#: floors whose classes are the words of the compiler
FLOORS = ("core", "autodiff", "loops", "rewrite", "lower", "runtime", "compile")
FILES = ("backends/base.py", "backends/writer.py", "backends/registry.py")
#: classes that are known by other words
SYNONYMS = {
    "Apply": "node", "TensorType": "type", "SizePolynomial": "extent", "SizeSymbols":
    "atom", "Extents": "extent", "In": "input", "CompiledFunction": "function",
    "DeviceContainer": "container", "HostBlock": "block", "HostMemory": "memory",
    "CacheEntry": "entry", "until": "condition", "Sequence_": "sequence",
    "HostFunction": "host op",
}  # fmt: skip
#: words that every programmer knows
PLAIN = {"function", "input"}
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)[2:]
WORDS = [word for entry, _ in ROWS for word in entry.split(", ")]


def classes() -> Iterator[str]:
    """Public classes of the floors, without ops and exceptions, which have pages."""
    files = [p for f in FLOORS for p in sorted((PACKAGE / f).glob("*.py"))]
    for path in [*files, *(PACKAGE / name for name in FILES)]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                continue
            bases = [ast.unparse(base).split(".")[-1] for base in node.bases]
            if not any(b.endswith(("Op", "Error", "Warning")) for b in bases):
                yield node.name


def spoken(name: str) -> str:
    """The words of a class: ``SharedVariable`` is a shared variable."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def known(word: str) -> bool:
    """Whether the glossary has a word, or its singular."""
    have = {w.lower() for w in WORDS} | PLAIN
    return word in have or word.removesuffix("s") in have


def test_the_glossary_is_in_order_and_tells_each_word_once() -> None:
    entries = [entry.lower() for entry, _ in ROWS]
    assert entries == sorted(entries)
    assert len(set(WORDS)) == len(WORDS) > 150
    assert all(meaning[0] != " " and meaning[-1] not in ". " for _, meaning in ROWS)


def test_the_words_of_classes_are_told() -> None:
    asked = {name: SYNONYMS.get(name, spoken(name)) for name in classes()}
    assert len(asked) > 100
    missing = sorted(name for name, word in asked.items() if not known(word))
    assert missing == [], (
        "give docs/reference/glossary.md an entry, or use a word it has"
    )


def test_no_synonym_is_left_of_a_class_that_is_gone() -> None:
    assert SYNONYMS.keys() <= set(classes())


def test_words_that_texts_introduce_are_told() -> None:
    """An explanation, how-to or docstring that writes *word* uses it in its own sense."""
    pages = [
        p
        for kind in ("explanation", "howto")
        for p in (ROOT / "docs" / kind).glob("*.md")
    ]
    found = set()
    for page in pages:
        prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
        prose = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)", "", prose)
        found |= set(
            re.findall(r"(?<![*\w])\*([a-z]{3}[a-z ]{0,22})\*(?![*\w])", prose)
        )
    missing = sorted(word for word in found if not known(word))
    assert missing == []


def test_every_word_is_in_use() -> None:
    pages = [p for p in (ROOT / "docs").glob("*/*.md") if p.name != "glossary.md"]
    texts = [p.read_text(encoding="utf-8") for p in [*PACKAGE.rglob("*.py"), *pages]]
    whole = re.sub(r"[^a-z0-9]+", " ", spoken(" ".join(texts)))
    stems = {word: " " + word.lower().rstrip("ey") for word in WORDS}
    assert sorted(word for word, stem in stems.items() if stem not in whole) == []
