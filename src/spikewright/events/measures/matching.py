"""Compiled search for the events that a filter kept; loading this module loads Numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def positions(
    t: Any, x: Any, y: Any, p: Any, t_kept: Any, x_kept: Any, y_kept: Any, p_kept: Any
) -> Any:  # fmt: skip
    """Return where each kept event stands, as far as they are found in order."""
    found = np.empty(t_kept.size, np.int64)
    i = j = 0
    while j < t_kept.size and i < t.size:
        if t[i] == t_kept[j] and x[i] == x_kept[j] and y[i] == y_kept[j] and p[i] == p_kept[j]:
            found[j] = i
            j += 1
        i += 1
    return found[:j]
