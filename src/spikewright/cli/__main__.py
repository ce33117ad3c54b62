"""`python -m spikewright.cli`."""

import sys

from spikewright.cli import main

sys.exit(main())
