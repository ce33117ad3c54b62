"""What compiled loops need and Numba does not have: addresses, calls through them, atomics, sleeping, prefetching.

Kernels are machine code behind one signature, `void kernel(table, sample, part, worker, k, steps)`, whose `table` holds
integers and addresses of arrays. The loop that calls them (`engines/loop.py`) is compiled once for all networks.
Addresses are int64; whoever makes a table keeps its arrays alive.
"""

# mypy: disable-error-code="untyped-decorator,attr-defined,call-overload,no-untyped-call"

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

_intrinsic: Any = intrinsic
_types: Any = types
_tools: Any = cgutils
KERNEL = types.void(
    _types.CPointer(types.int64),
    *(types.int64, types.int64, types.int64, types.int64, types.int64),
)
"""table, sample, part, worker, first step, number of steps."""

_I64 = ir.IntType(64)


@_intrinsic
def view(context: Any, address: Any, n: Any, kind: Any) -> Any:
    """Return the 1-d array of `n` numbers of a NumPy type at an address."""
    found = _types.Array(kind.dtype, 1, "C")
    signature = found(types.int64, types.int64, kind)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = context.get_data_type(kind.dtype)
        size = context.get_constant(_types.intp, context.get_abi_sizeof(number))
        array = context.make_array(found)(context, builder)
        populate_array(
            array,
            data=builder.inttoptr(arguments[0], number.as_pointer()),
            shape=_tools.pack_array(builder, [arguments[1]]),
            strides=_tools.pack_array(builder, [size]),
            itemsize=size,
            meminfo=None,
        )
        return array._getvalue()

    return signature, generate


@_intrinsic
def invoke(
    context: Any, kernel: Any, table: Any, sample: Any, part: Any, worker: Any, k: Any, steps: Any
) -> Any:
    """Call the kernel at an address."""
    signature = types.void(*(types.int64,) * 7)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = ir.PointerType(_I64)
        function = ir.FunctionType(ir.VoidType(), [pointer, *(_I64,) * 5])
        called = builder.inttoptr(arguments[0], function.as_pointer())
        builder.call(called, [builder.inttoptr(arguments[1], pointer), *arguments[2:]])
        return context.get_dummy_value()

    return signature, generate


@_intrinsic
def atomic_add(context: Any, array: Any, index: Any, amount: Any) -> Any:
    """Add to an int64 of an array, for all threads at once; return what was there before."""
    signature = types.int64(array, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        return builder.atomic_rmw("add", place, arguments[2], "seq_cst")

    return signature, generate


@_intrinsic
def atomic_load(context: Any, array: Any, index: Any) -> Any:
    """Return an int64 of an array as other threads left it."""
    signature = types.int64(array, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, arguments), "seq_cst", 8)

    return signature, generate


@_intrinsic
def atomic_store(context: Any, array: Any, index: Any, value: Any) -> Any:
    """Set an int64 of an array for other threads to see."""
    signature = types.void(array, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        builder.store_atomic(arguments[2], place, "seq_cst", 8)
        return context.get_dummy_value()

    return signature, generate


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return _tools.gep(builder, array.data, arguments[1])


@_intrinsic
def address_of(context: Any, array: Any, index: Any) -> Any:
    """Return the address of an element of a contiguous 1-d array."""
    signature = types.int64(array, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(_place(context, builder, signature, arguments), _I64)

    return signature, generate


@_intrinsic
def prefetch(context: Any, address: Any) -> Any:
    """Ask for the cache line at an address; harmless where nothing is there."""
    signature = types.void(types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8), ir.IntType(32)
        function = _tools.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte.as_pointer(), word, word, word]),
            "llvm.prefetch.p0",
        )
        place = builder.inttoptr(arguments[0], byte.as_pointer())
        builder.call(function, [place, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return signature, generate


LINE = 64
"""Bytes of a cache line."""


@njit(nogil=True)
def fetch(address: int, n: int) -> None:
    """Ask for `n` bytes from an address on."""
    for i in range(0, n, LINE):
        prefetch(address + i)


@_intrinsic
def bits_of(context: Any, number: Any) -> Any:
    """Return the bits of a float32 as int32."""
    signature = types.int32(types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return signature, generate


@_intrinsic
def from_bits(context: Any, bits: Any) -> Any:
    """Return the float32 whose bits an int32 holds."""
    signature = types.float32(types.int32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return signature, generate


# -- waiting for other threads ----------------------------------------------------------------------
# sched_yield gives the core to whoever is ready; where every core is busy this is what lets the thread that others
# wait for go on. usleep ends a longer wait without burning a core.

_WINDOWS = sys.platform == "win32"
if _WINDOWS:
    _yield = types.ExternalFunction("SwitchToThread", types.int32())
    _sleep = types.ExternalFunction("Sleep", types.void(types.uint32))
else:
    _yield = types.ExternalFunction("sched_yield", types.int32())
    _sleep = types.ExternalFunction("usleep", types.int32(types.uint32))

SPINS, YIELDS, NAP = 1000, 20000, 50
"""Loads before giving the core away, how often it is given away before sleeping, and the microseconds of a sleep."""
COUNT, GENERATION, STOP = 0, 8, 16
"""Places in `sync`, each on a cache line of its own."""


@njit(nogil=True)
def wait_for_all(sync: Any, n: int) -> None:
    """Return when `n` threads have come here: spin briefly, then give the core away, then sleep."""
    if n < 2:
        return
    generation: Any = atomic_load(sync, GENERATION)
    if atomic_add(sync, COUNT, 1) == n - 1:
        atomic_store(sync, COUNT, 0)
        atomic_add(sync, GENERATION, 1)
        return
    tries = 0
    while atomic_load(sync, GENERATION) == generation:
        tries += 1
        if tries > SPINS:
            if tries < SPINS + YIELDS:
                _yield()
            elif _WINDOWS:
                _sleep(0)
            else:
                _sleep(NAP)


@_intrinsic
def half(context: Any, bits: Any) -> Any:
    """Return the float16 whose bits a uint16 holds, as float32."""
    signature = types.float32(types.uint16)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return signature, generate


LANES = 64
"""Targets of one word of a bitmap."""


@_intrinsic
def _add_where(context: Any, word: Any, address: Any, amount: Any) -> Any:
    """Add `amount` to those of 64 numbers at an address whose bit is set in `word`."""
    signature = types.void(types.uint64, types.int64, amount)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, address, amount = arguments
        number = ir.FloatType() if signature.args[2] == types.float32 else ir.DoubleType()
        wide = 16 if signature.args[2] == types.float32 else 8
        vector, mask = ir.VectorType(number, wide), ir.IntType(wide)
        masks = ir.VectorType(ir.IntType(1), wide)
        single = builder.insert_element(
            ir.Constant(vector, ir.Undefined), amount, ir.IntType(32)(0)
        )
        many = builder.shuffle_vector(
            single,
            ir.Constant(vector, ir.Undefined),
            ir.Constant(ir.VectorType(ir.IntType(32), wide), [0] * wide),
        )
        size = 4 if signature.args[2] == types.float32 else 8
        for i in range(LANES // wide):
            bits = builder.trunc(builder.lshr(word, ir.Constant(_I64, i * wide)), mask)
            chosen = builder.bitcast(bits, masks)
            place = builder.inttoptr(
                builder.add(address, ir.Constant(_I64, i * wide * size)), vector.as_pointer()
            )
            before = builder.load(place, align=size)
            after = builder.select(chosen, builder.fadd(before, many), before)
            builder.store(after, place, align=size)
        return context.get_dummy_value()

    return signature, generate


@njit(nogil=True)
def masked_add(words: Any, slot: Any, width: int, amount: Any) -> None:
    """Add `amount` to the numbers of `slot` whose bits are set; bits beyond `width` are not looked at."""
    whole = width // LANES
    for w in range(whole):
        if words[w] != 0:
            _add_where(words[w], address_of(slot, w * LANES), amount)
    if whole * LANES < width:
        word = words[whole]
        for i in range(whole * LANES, width):
            if word & types.uint64(1):
                slot[i] += amount
            word = word >> types.uint64(1)
