"""Join the fragments of docs/changelog.d into a release.

    python docs/make_release.py 0.2.0     write the release, remove the fragments
    python docs/make_release.py --check   only tell which fragments are not well formed

In: fragments named ``<topic>.<added|changed|fixed|removed>.md``, each one sentence for
users, or a list of them. Out: a section of docs/changelog.md; the version in
symgraph/version.py and CITATION.cff. A test runs the check.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: kinds of changes in the order in which a release tells them
KINDS = ("added", "changed", "fixed", "removed")
#: where the version stands: file → the text around it
VERSIONS = {
    "symgraph/version.py": r'(?m)^(VERSION = ")([^"]+)(")$',
    "CITATION.cff": r"(?m)^(version: )(\S+)()$",
}
_NAME = re.compile(rf"[a-z0-9]+(-[a-z0-9]+)*\.({'|'.join(KINDS)})\.md")
_NUMBER = re.compile(r"\d+\.\d+\.\d+")
_WIDTH = 88


def fragments(root: Path) -> list[Path]:
    """All fragments, by topic."""
    found = (root / "docs" / "changelog.d").iterdir()
    return sorted(path for path in found if not path.name.startswith("."))


def sentences(text: str) -> list[str]:
    """The entries of a fragment: its list, or all of it."""
    parts = re.split(r"(?m)^- ", text.strip())
    return [" ".join(part.split()) for part in parts if part.strip()]


def problems(root: Path) -> Iterator[str]:
    """What keeps fragments from becoming a release, one line each."""
    for path in fragments(root):
        if not _NAME.fullmatch(path.name):
            yield f"{path.name}: the name is not <topic>.<{'|'.join(KINDS)}>.md"
            continue
        found = sentences(path.read_text(encoding="utf-8"))
        if not found:
            yield f"{path.name}: it is empty"
        for sentence in found:
            if not sentence.endswith((".", ".)", ":", "`")):
                yield f"{path.name}: no sentence ends here: ...{sentence[-40:]}"
    for name, pattern in VERSIONS.items():
        if len(re.findall(pattern, (root / name).read_text(encoding="utf-8"))) != 1:
            yield f"{name}: the version does not stand on one line"


def section(root: Path, version: str, day: str) -> str:
    """The text of a release, in Markdown."""
    lines = [f"## {version} ({day})", ""]
    for kind in KINDS:
        entries = [
            textwrap.fill(
                sentence,
                _WIDTH,
                initial_indent="- ",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            for path in fragments(root)
            if path.name.endswith(f".{kind}.md")
            for sentence in sentences(path.read_text(encoding="utf-8"))
        ]
        if entries:
            lines += [f"### {kind.capitalize()}", "", *entries, ""]
    return "\n".join(lines)


def release(root: Path, version: str, day: str) -> None:
    """Put the fragments into the changelog, remove them, and set the version."""
    page = root / "docs" / "changelog.md"
    text = page.read_text(encoding="utf-8")
    before, mark, after = text.partition("\n## ")
    made = section(root, version, day)
    page.write_text(f"{before}\n{made}{mark}{after}", encoding="utf-8")
    for path in fragments(root):
        path.unlink()
    for name, pattern in VERSIONS.items():
        path = root / name
        text = path.read_text(encoding="utf-8")
        path.write_text(
            re.sub(pattern, rf"\g<1>{version}\g<3>", text), encoding="utf-8"
        )


def version_of(root: Path) -> str:
    """The version that the package has now."""
    text = (root / "symgraph" / "version.py").read_text(encoding="utf-8")
    found = re.search(VERSIONS["symgraph/version.py"], text)
    return found[2] if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Make a release, or only look at the fragments."""
    wrong = list(problems(root))
    for line in wrong:
        print(line)
    if wrong or arguments == ["--check"]:
        return 1 if wrong else 0
    now = version_of(root)
    if len(arguments) != 1 or not _NUMBER.fullmatch(arguments[0]):
        print("usage: python docs/make_release.py MAJOR.MINOR.PATCH | --check")
        return 2
    if _numbers(arguments[0]) <= _numbers(now):
        print(f"{arguments[0]} is not later than {now}, the version of the package")
        return 1
    if not fragments(root):
        print("docs/changelog.d holds nothing to release")
        return 1
    release(root, arguments[0], date.today().isoformat())
    print(f"docs/changelog.md tells of {arguments[0]}; look at it, commit, and tag it")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
