"""`python -m spikewright.pynn SCRIPT [ARGUMENTS]`: run a script of PyNN that chooses its simulator by name.

Within the script `pyNN.spikewright` is this package's simulator; PyNN itself must be installed for what the script
takes from it (`pyNN.utility`, `pyNN.random`).
"""

from __future__ import annotations

import logging
import os
import runpy
import sys

from spikewright import pynn


def main() -> None:
    """Run the script that the first argument names."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m spikewright.pynn SCRIPT [ARGUMENTS]")
    try:
        pynn.register()
    except ImportError:
        sys.exit("spikewright.pynn: the script's own imports need PyNN — pip install PyNN")
    # scripts set the root logger to DEBUG, at which Numba writes all that it compiles
    logging.getLogger("numba").setLevel(logging.WARNING)
    sys.argv = sys.argv[1:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
