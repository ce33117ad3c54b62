"""Makes the modules of this folder importable by name, as they are when `run.py` is started."""

import sys
from pathlib import Path

FOLDER = str(Path(__file__).resolve().parent)
if FOLDER not in sys.path:
    sys.path.append(FOLDER)
