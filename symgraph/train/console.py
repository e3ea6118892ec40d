"""What the commands write to a terminal, or into a pipe."""

import sys

from symgraph.data.files import printable


def write_lines(*lines: str) -> None:
    """Write lines to standard output, at once.

    What a terminal might obey, such as an escape sequence in a file's name, is written
    as an escape.

    Examples
    --------
    >>> write_lines("a.png", "saved b.png")
    a.png
    saved b.png
    """
    sys.stdout.write(printable("\n".join(lines)) + "\n")
    sys.stdout.flush()
