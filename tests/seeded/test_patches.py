"""Each planted bug still has its place in the package, and is no syntax error."""

from collections import Counter

import pytest
from seeded.planting import Patch, mirrored, patches, quick


@pytest.mark.parametrize("patch", patches(), ids=lambda patch: patch.name)
def test_the_patch_applies_and_compiles(patch: Patch) -> None:
    assert patch.old != patch.new
    compile(patch.applied(), patch.file, "exec")
    assert mirrored(patch)


def test_there_are_ten_families_of_six_with_names_of_their_own() -> None:
    assert list(Counter(patch.family for patch in patches()).values()) == [6] * 10
    assert len({patch.name for patch in patches()}) == 60
    assert len(quick()) > 50
