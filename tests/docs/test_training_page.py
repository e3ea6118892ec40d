"""docs/howto/training.md keeps its word: four networks in a dozen lines each."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "training.md"


def test_four_networks_take_at_most_twelve_lines_each():
    part = (
        PAGE.read_text(encoding="utf-8")
        .split("## A dozen lines\n")[1]
        .split("\n## ")[0]
    )
    programs = re.findall(r"```python\n(.*?)```", part, re.S)
    assert len(programs) == 4
    for program in programs:
        lines = [line for line in program.splitlines() if line.strip()]
        assert len(lines) <= 12
        assert "nn.Model(" in program
        assert ".fit(" in program
        assert max(map(len, lines)) <= 92
