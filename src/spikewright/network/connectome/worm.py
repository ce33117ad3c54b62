"""C. elegans: the wiring diagrams that are published, as tables of edges (`pre, post, type, weight`).

Source
------
White, Southgate, Thomson, Brenner, Phil. Trans. R. Soc. B 314, 1986. Varshney, Chen, Paniagua, Hall, Chklovskii, PLoS
Comput. Biol. 7, 2011. Cook et al., Nature 571, 2019. Witvliet et al., Nature 596, 2021.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from spikewright.errors import DataError, FormatError, explain
from spikewright.network.connectome.diagram import Connectome
from spikewright.network.connectome.tables import chosen, read_connectome, read_table

DIAGRAMS: dict[str, str] = {
    "cook2019": "cook2019_herm.csv",
    "varshney2011": "varshney2011.csv",
    "white1986": "white1986_whole.csv",
    "witvliet2021_1": "witvliet2021_1_L1.csv",
    "witvliet2021_2": "witvliet2021_2_L1.csv",
    "witvliet2021_3": "witvliet2021_3_L1.csv",
    "witvliet2021_4": "witvliet2021_4_L1.csv",
    "witvliet2021_5": "witvliet2021_5_L2.csv",
    "witvliet2021_6": "witvliet2021_6_L3.csv",
    "witvliet2021_7": "witvliet2021_7_adult.csv",
}
"""Name -> its file."""
CELLS = "all_cell_info.csv"
RECEIVED = ("R", "Rp")
"""Kinds of rows of Varshney et al. that say a synapse once more, from its target."""
CHEMICAL = {"S": "chemical", "Sp": "chemical", "EJ": "electrical", "NMJ": "neuromuscular"}


def c_elegans(
    folder: str | os.PathLike[str], diagram: str = "cook2019", *, once: bool = True
) -> Connectome:
    """Read a wiring diagram of the worm; edges are of kind "chemical" or "electrical" (or "neuromuscular").

    Parameters
    ----------
    folder : with the files of `DIAGRAMS`, and the table of cells `all_cell_info.csv` (without it types are "")
    diagram : which
    once : of varshney2011, where every chemical synapse stands twice (sent: S, Sp; received: R, Rp), take the rows that
        say it from its source; False: every row, with its own kinds, rows that repeat a pair added up

    Raises
    ------
    DataError : there is no such diagram
    FormatError : a file or a column is missing
    """
    if diagram not in DIAGRAMS:
        raise DataError(
            explain(
                "c_elegans(diagram=)", "unknown", found=repr(diagram), expected=", ".join(DIAGRAMS)
            )
        )
    place = Path(folder)
    where = str(place / DIAGRAMS[diagram])
    table = read_table(where)
    edges = chosen(
        where, table, ("pre", "post", "count", "kind"), {}, ("pre", "post", "count", "kind")
    )
    if diagram == "varshney2011" and once:
        kept = ~np.isin(edges["kind"], RECEIVED)
        edges = {n: v[kept] for n, v in edges.items()}
        unknown = sorted(set(edges["kind"].tolist()) - set(CHEMICAL))
        if unknown:
            raise FormatError(
                explain(
                    where,
                    "unknown kind of row",
                    found=unknown,
                    expected=", ".join((*CHEMICAL, *RECEIVED)),
                )
            )
        edges["kind"] = np.array([CHEMICAL[k] for k in edges["kind"]])
    # the neurons of every row count, also where Varshney et al. list a pair with 0 synapses (three rows)
    ids = np.unique(np.concatenate([edges["pre"], edges["post"]]))
    some = edges["count"] > 0
    edges = {n: v[some] for n, v in edges.items()}
    types = np.full(len(ids), "", object)
    if (place / CELLS).is_file():
        cells = chosen(
            str(place / CELLS),
            read_table(place / CELLS, longer=True),
            ("id", "type"),
            {},
            ("id", "type"),
        )
        known = dict(zip(cells["id"].tolist(), cells["type"].tolist(), strict=True))
        # newer diagrams number motor neurons with two digits (VA01), the table of cells with one (VA1)
        types[:] = [known.get(c, known.get(_short(c), "")) for c in ids.tolist()]
    return read_connectome(
        edges,
        {"id": ids, "type": types.astype(str)},
        # two rows of Varshney et al. may say one pair: S (one partner) and Sp (several)
        duplicates="sum" if diagram == "varshney2011" else "error",
        name=diagram,
        source=f"C. elegans, {diagram}",
    )


def _short(name: str) -> str:
    """Return a name whose number is written without zeros before it."""
    letters = name.rstrip("0123456789")
    return letters + name[len(letters) :].lstrip("0") if len(letters) < len(name) else name
