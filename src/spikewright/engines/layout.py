"""Where things stand in the tables that kernels read: places of int64 numbers and addresses.

A population's table begins with the places below; ports, state variables and drives follow in the order in which its
kernel was written. `sample`, `part` and `worker` choose among the leading axes that are given in brackets.
"""

from __future__ import annotations

import contextlib
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE = 64
"""Bytes of a cache line: what two threads write stands in different ones."""


LARGE, LARGE_PAGES = 2**19, 2**22 + 2**21


def lines(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """Return an array of zeros that begins with a cache line; a large one, touched at random, in large pages."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    room = size + LINE
    if size >= LARGE:
        # NumPy asks the system for large pages from this size on; what is not touched takes no memory
        room = max(room, LARGE_PAGES)
    raw = np.zeros(room, np.uint8)
    first = -raw.ctypes.data % LINE
    found: NDArray[Any] = raw[first : first + size].view(kind).reshape(shape)
    return found


def scattered(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """Return an array of zeros of which little is touched, here and there: in small pages, made when touched."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    if size < LARGE or not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return np.zeros(shape, kind)
    raw = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a system that has no large pages
        raw.madvise(mmap.MADV_NOHUGEPAGE)
    found: NDArray[Any] = np.frombuffer(raw, kind).reshape(shape)
    return found


def where(array: NDArray[Any]) -> int:
    """Return where an array's numbers begin; who puts it into a table keeps the array alive."""
    return array.ctypes.data


# -- populations --------------------------------------------------------------------------------------
SIZE = 0  # neurons
BOUNDS = 1  # int64 [parts + 1]: the neurons of a part
BLOCK = 2  # neurons that are advanced together
BATCH = 3  # samples
PARTS = 4
FLAGS = 5  # uint8 [workers, ROOM]: bit 0 fired, bit 1 not finite
ROOM = 6  # neurons that a part has at most, rounded up to whole words
SPIKES = 7  # int32 [samples, parts, DEPTH, ROOM]: addresses by step modulo DEPTH
DEPTH = 8  # a power of two, 8 or more: the counts of a part have cache lines of their own
COUNTS = 9  # int64 [samples, parts, DEPTH]
VALUES = 10  # number [samples, parts, DEPTH, ROOM]; 0: every spike is 1
ROW = 11  # number [workers, ROOM]: what each neuron sends in this step, of graded models
CONSTANTS = 12  # number [.]
OWN = 13  # number [., n]
BIASES = 14  # number [., n]
KEYS = 15  # uint64 [.]
SCALE = 16  # float64 [.]
HOLD = 17  # wait [1 or n]
WAITING = 18  # wait [samples, n]
FIRST_STEP = 19  # of this chunk
FIRST_SAMPLE = 20
TRACED = 21  # recorded variables
TRACES = 22  # int64 [traced, 2]: address of the variable, of its record [rows, samples, n_chosen]
EVERY = 23  # a row is kept after steps that are multiples of this
FIRST_ROW = 39  # number of the chunk's first row, counted from step 0
CHOSEN = 24  # int64 [n_chosen], ascending
N_CHOSEN = 25
ERRORS = 26  # int64 [workers, 8]: what went wrong first: 1, step, sample, neuron
STATES = 27  # address of the first state variable, number [samples, n]; others follow from STATE on
CHECKED = 28  # whether states that are not finite are an error
POPULATION = 29  # number of the population
LOG = 30  # int32 [samples, parts, LOG_ROOM]: addresses of all spikes of the chunk
LOG_ROOM = 31
LOG_USED = 32  # int64 [samples, parts, 8]: a cache line for each
LOG_VALUES = 33  # number, as LOG; 0: not kept
SENT = 34  # int64 [samples, n]
ACTIVITY = 35  # int64 [samples, parts, steps of the chunk]
CHUNK = 36  # steps of the chunk
PEAKS = 37  # number [variables, samples, n]: variables before the reset, where a rule asks for them
ITEM = 38  # bytes of a number
OPEN = 40  # what the kernel's writer adds from here on

# of a population that replays what enters, from OPEN on
REPLAY_START = 0  # int64 [samples, steps + 1]
REPLAY_ADDRESS = 1  # int32
REPLAY_VALUE = 2  # number
REPLAY_STEPS = 3
REPLAY_ORIGIN = 4  # the step that the first entry of REPLAY_START belongs to
REPLAY = 5  # entries

# -- projections --------------------------------------------------------------------------------------
PRE_SPIKES, PRE_ROOM, PRE_DEPTH, PRE_COUNTS, PRE_VALUES, PRE_PARTS = 0, 1, 2, 3, 4, 5
RING = 6  # number [LENGTH, samples, n_post]
LENGTH = 7
POST_BATCH = 8
POST_SIZE = 9
POST_BOUNDS = 10
LAG = 11  # steps, where all synapses share one
WRAPPED = 12  # uint64 [2 LENGTH]: where the slot of a step begins in RING
ROWS = 13  # int64 [parts, 8]: addresses of start, target, weight, lag; the rest is the kernel's own
TABLE = 14  # number [256]: values of weight codes
WEIGHT = 15  # address of the one weight, where all synapses share one
SCRATCH = 16
EXPONENT = 17
TARGET_BYTES, WEIGHT_BYTES, LAG_BYTES = 25, 26, 27  # of a synapse, in rows
WIDTH = 18  # words of a bitmap row, or columns of a matrix

# of what fetches rows ahead, besides PRE_* of its projections
N_AHEAD = 20  # projections, whose tables' addresses follow
AHEAD = 21

# of arrivals at lazy neurons, besides PRE_*, ROWS, TABLE, WEIGHT, WIDTH (and RING, LENGTH, POST_BATCH of a ring)
A_POPULATION = 20  # address of the population's table
A_SHORTEST, A_LONGEST = 21, 22  # lags
A_ORIGIN = 23  # first step of the run: what was sent before stands in the ring
A_UNTIL = 24  # step from which on the ring is empty

# -- projections with a rule: rows are a source with one of its delays ---------------------------------
# their table begins as that of a projection, up to SCRATCH; [parts] arrays of addresses hold what a part owns
R_SHORTEST, R_LONGEST = 20, 21  # lags
R_PLACES = 22  # int64 [parts, PLACES]: addresses of the arrays of a part, as below
R_CONSTANTS = 23  # number [.]
R_DECAYS = 24  # number [variables with a decay, decay.HORIZON + decay.LONG]
R_N_ROWS = 25
R_POST_SPIKES, R_POST_COUNTS, R_POST_ROOM, R_POST_DEPTH, R_POST_PARTS = 26, 27, 28, 29, 30
R_EVERY = 31  # steps; 0: never
R_SIGNALS = 32  # number [steps + 1, samples, signals]
R_SIGNAL_STEPS = 33
R_ORIGIN = 34  # the first step of the run, to which the first signal belongs
R_STATES = 35  # int64 [reads]: addresses of variables of neurons that flow, number [samples, n]
R_HISTORY = 36  # post events of a neuron that are kept
R_PEAKS = 37  # int64 [reads]: addresses of variables before the reset, number [samples, n_post]
R_TABLE = 38  # entries

# what a part owns
P_OF_SOURCE = 0  # int64 [n_pre + 1]
P_LAG = 1  # int64 [rows]
P_START = 2  # int64 [rows + 1]
P_TARGET = 3  # uint16 or int32 [n]
P_ARRIVED = 4  # int64 [samples, rows]
P_FIRED = 5  # int64 [samples, targets]
P_COUNT = 6  # int32 [samples, targets]: post events that are kept
P_WHEN = 7  # int32 [samples, targets, R_HISTORY]: steps since R_ORIGIN
P_NEWEST = 8  # int64 [samples]: step of the newest post event, -1 where none is kept
P_TOUCHED = 9  # int64 [samples, n]
P_SYNAPSES = 10  # synapses of the part
P_ROWS = 11
P_SOURCE = 12  # int32 [rows]: the source of a row
P_TOTAL = 13  # number [targets]
P_NOTED = 14  # int32 [samples, targets]: those with post events that are kept, of whole rows
P_N_NOTED = 15  # int64 [samples]
P_OPEN = 16  # then: w and state [samples, n]; pre [samples, rows]; post [samples, targets];
# captured values [samples, targets, R_HISTORY] each
