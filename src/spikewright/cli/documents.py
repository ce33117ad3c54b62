"""Files that verbs take: what they are is found in their content, not in their name."""

from __future__ import annotations

import enum
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewright.errors import FormatError, UsageError, explain

if TYPE_CHECKING:
    from spikewright.events import Events
    from spikewright.network.graph import Network

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip begins; the second is one without entries."""


class Kind(enum.Enum):
    """What a file holds."""

    NETWORK = "network"
    NIR = "NIR graph"
    LAVA = "network of lava-dl"
    CONFIGURATION = "configuration of a chip"
    EVENTS = "events"
    ARRAYS = "arrays"
    SONATA = "circuit of SONATA"


def kind_of(path: Path) -> Kind:
    """Return what a file holds.

    Raises
    ------
    FormatError : it cannot be read, or holds nothing we know
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise FormatError(explain(str(path), "cannot be read", found=found, expected="a file"))
    try:
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError as error:
        raise FormatError(explain(str(path), f"cannot be read: {error.strerror}")) from error
    if start == HDF5:
        return _hdf5(path)
    if start.startswith(ZIP):
        return _zip(path)
    if path.suffix == ".json" and start.lstrip()[:1] == b"{":
        return Kind.SONATA
    raise FormatError(
        explain(
            str(path),
            "is no file of ours",
            found="an empty file" if not start else f"a file that begins with {start!r}",
            expected="a network (.h5), an NIR graph (.nir), a circuit of SONATA (.json), events (.h5, .npz), "
            "arrays (.npz)",
        )
    )


def _hdf5(path: Path) -> Kind:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            names, marks = set(file.keys()), set(file.attrs.keys())
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise FormatError(
            explain(str(path), f"is a damaged HDF5 file: {error}", cure="copy or make it again")
        ) from error
    if "format" in marks and "tick" in marks:
        return Kind.EVENTS
    if "node" in names:
        return Kind.NIR
    if "layer" in names:
        return Kind.LAVA
    if {"format", "cores"} <= names:
        return Kind.CONFIGURATION
    if "format" in names:
        return Kind.NETWORK
    raise FormatError(
        explain(
            str(path),
            "is an HDF5 file of another kind",
            found=", ".join(sorted(names)[:8]) or "nothing",
            expected="a network, an NIR graph, a network of lava-dl, a configuration or events",
        )
    )


def _zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {n.removesuffix(".npy") for n in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise FormatError(
            explain(str(path), f"is a damaged .npz: {error}", cure="copy or make it again")
        ) from error
    return Kind.EVENTS if {"format", "tick", "t", "address"} <= names else Kind.ARRAYS


def read_network(path: Path, *, dt: float | None = None) -> tuple[Network, Any]:
    """Return the network of a file, and the report of its import where it was NIR, notes where of lava-dl or SONATA.

    Raises
    ------
    FormatError : it cannot be read, or holds no network
    UsageError : `dt` is given for a network that has its own
    """
    kind = kind_of(path)
    if kind in (Kind.NETWORK, Kind.CONFIGURATION) and dt is not None:
        raise UsageError(
            explain(
                "--dt",
                "is for NIR graphs; the network has its own",
                found=path,
                cure="leave it out",
            )
        )
    if kind is Kind.NETWORK:
        from spikewright.network.store import load

        return load(path), None
    if kind is Kind.NIR:
        from spikewright.network.nir import from_nir

        imported = from_nir(path, dt=dt)
        return imported.network, imported.report
    if kind is Kind.LAVA:
        from spikewright.substrates.loihi.netx import DEFAULT_DT, read_net

        found = read_net(path, dt=DEFAULT_DT if dt is None else dt)
        return found.network, found.notes
    if kind is Kind.SONATA:
        from spikewright.network.sonata import read_sonata

        circuit = read_sonata(path, dt=dt)
        return circuit.network, circuit.notes
    if kind is Kind.CONFIGURATION:
        from spikewright.substrates.export import load_configuration

        return load_configuration(path).network, None
    raise FormatError(
        explain(
            str(path), "holds no network", found=kind.value, expected="a network or an NIR graph"
        )
    )


def check_ending(path: Path) -> None:
    """Raise UsageError where a network cannot be written under such a name."""
    if path.suffix not in (".nir", ".h5", ".hdf5", ".py"):
        raise UsageError(
            explain(
                str(path),
                "unknown ending",
                found=repr(path.suffix),
                expected=".nir or .h5, or .py for a Brian2 script",
            )
        )


def check_place(path: Path) -> None:
    """Raise UsageError where a file cannot be put there: to be called before long work, not after it."""
    found = None
    if path.is_dir():
        found = "a folder"
    elif path.exists() and not path.is_file():
        found = "a device or a pipe"
    elif not path.parent.is_dir():
        found = "no such folder"
    elif not os.access(path.parent, os.W_OK):
        found = "a folder that may not be written"
    if found:
        raise UsageError(
            explain(str(path), "cannot be written", found=found, cure="choose another place")
        )


def write_network(network: Network, path: Path, *, retime: bool = True) -> Any:
    """Write a network in the layout that the file's ending names; return the report where that is NIR."""
    check_ending(path)
    if path.suffix == ".nir":
        from spikewright.network.nir import write_nir

        return write_nir(network, path, retime=retime)
    if path.suffix == ".py":
        from spikewright.network.brian2 import export_brian2

        export_brian2(network, path)
        return None
    from spikewright.network.store import save

    save(network, path)
    return None


def read_events(path: Path) -> Events:
    """Return the events of a file.

    Raises
    ------
    FormatError : it cannot be read, or holds no events
    """
    kind = kind_of(path)
    if kind is not Kind.EVENTS:
        raise FormatError(
            explain(str(path), "holds no events", found=kind.value, expected="events (.npz, .h5)")
        )
    from spikewright.events import load

    return load(path)


def read_arrays(path: Path) -> dict[str, Any]:
    """Return the arrays of an .npz file; nothing in it is executed.

    Raises
    ------
    FormatError : it cannot be read, holds objects, or claims more than 4 GiB
    """
    if kind_of(path) is not Kind.ARRAYS:
        raise FormatError(
            explain(
                str(path), "holds no plain arrays", expected="an .npz, one array per population"
            )
        )
    from spikewright.files import read_arrays as read

    return dict(read(path))


def write_arrays(arrays: dict[str, Any], path: Path) -> None:
    """Write an .npz file, whole or not at all; any name will do, also those that `numpy.savez` keeps for itself."""
    import numpy as np

    from spikewright.files import replacing

    with (
        replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)


def read_inputs(network: Network, events: Path | None, arrays: Path | None) -> dict[str, Any]:
    """Return what enters a network from a file of events or of arrays, or nothing.

    Raises
    ------
    UsageError : both are given, or events for a network with several inputs
    """
    if events is not None and arrays is not None:
        raise UsageError(explain("--events and --inputs", "exclude each other", cure="say one"))
    if arrays is not None:
        return read_arrays(arrays)
    if events is None:
        return {}
    if len(network.inputs) != 1:
        raise UsageError(
            explain(
                "--events",
                "needs a network with one input",
                found=", ".join(network.inputs) or "none",
                cure="say --inputs with one array T B N per input",
            )
        )
    return {network.inputs[0]: read_events(events)}
