"""``python -m symgraph``: the command line of ``symgraph.train.cli``."""

import sys

from symgraph.train.cli import main

if __name__ == "__main__":
    sys.exit(main())
