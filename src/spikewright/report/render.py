"""A comparison as a table for the terminal, as JSON, and as one HTML file that needs nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from spikewright.files import replacing
from spikewright.report.cost import show_total, show_value
from spikewright.report.figures import Drawing, drawings
from spikewright.report.result import Comparison, Row, Score

if TYPE_CHECKING:
    from rich.table import Table

HEADER = (
    "substrate",
    "score",
    "device energy",
    "system energy",
    "latency",
    "area",
    "weakest grade",
)


AT_LEAST = "≥"
"""Before an energy of which a part has no published value."""


def at_least(row: Row, text: str) -> str:
    """Return a total as text, marked where something that has no published value is left out of it."""
    return AT_LEAST + text if row.unpublished else text


def cells(row: Row) -> tuple[str, ...]:
    """Return what the table says about a row, in the order of `HEADER`."""
    if not row.is_priced:
        return (row.label, show_score(row.score), "-", "-", "-", "-", "not a device")
    grade = row.grade
    return (
        row.label,
        show_score(row.score),
        show_total(row.device, "J"),
        show_total(row.system, "J"),
        show_total(row.latency, "s"),
        show_total(row.area, "m^2"),
        "-" if grade is None else grade.value.replace("_", " "),
    )


def show_score(score: Score) -> str:
    """Write a score in percent, with its standard deviation where there is one.

    Examples
    --------
    >>> show_score(Score((0.98, 0.99))), show_score(Score((1.0,)))
    ('98.50 ± 0.71 %', '100.00 %')
    """
    spread = f" ± {100 * score.std:.2f}" if score.n > 1 else ""
    return f"{100 * score.mean:.2f}{spread} %"


def table(comparison: Comparison) -> Table:
    """Return the table for a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
        title=f"{comparison.title}: {comparison.measure} and costs per inference",
        caption=f"{comparison.samples} samples; mean ± standard deviation over "
        f"{len(comparison.seeds)} training(s) and chip instances; system = device + overhead; "
        "energies leave out what has no published value, see the report",
    )
    for place, name in enumerate((HEADER[0], f"{comparison.measure} %", *HEADER[2:])):
        side = "left" if place in (0, len(HEADER) - 1) else "right"
        made.add_column(name.replace(" ", "\n"), justify=side, no_wrap=place < len(HEADER) - 1)  # type: ignore[arg-type]
    for row in comparison.rows:
        made.add_row(*(Text(c.removesuffix(" %")) for c in cells(row)))
    return made


def write_html(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Write the report, whole or not at all.

    Raises
    ------
    FormatError : the file cannot be written
    """
    text = html(comparison)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def to_json(comparison: Comparison) -> str:
    """Return the comparison as JSON text."""
    return json.dumps(comparison.as_dict(), indent=2, allow_nan=False)


def html(comparison: Comparison) -> str:
    """Return the whole report as one HTML document."""
    title = f"{comparison.title} on {len(comparison.rows)} substrates"
    parts = [
        _section("result", "Result", _result(comparison)),
        _section("figures", "Figures", "".join(_figure(d) for d in drawings(comparison))),
        _section("activity", "What the network did", _activity(comparison)),
        _section("terms", "Costs, term by term", _terms(comparison)),
        _section("changes", "What each substrate changed, and why", _changes(comparison)),
        _section("unpublished", "What is left out", _unpublished(comparison)),
        _section("constants", "Every constant", _constants(comparison)),
        _section("about", "How this was made", _about(comparison)),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1></header>\n<main>\n"
        + "\n".join(parts)
        + f"\n</main>\n<footer><p>Spikewright {escape(comparison.version)}</p></footer>\n"
        "</body>\n</html>\n"
    )


def _section(name: str, title: str, body: str) -> str:
    return f'<section id="{name}">\n<h2>{escape(title)}</h2>\n{body}\n</section>'


def _table(
    header: Sequence[str],
    lines: Iterable[Sequence[str]],
    *,
    caption: str = "",
    numbers: frozenset[int] = frozenset(),
) -> str:
    def kind(place: int) -> str:
        return ' class="number"' if place in numbers else ""

    top = "".join(f'<th scope="col"{kind(i)}>{escape(h)}</th>' for i, h in enumerate(header))
    body = []
    for line in lines:
        first, *rest = line
        body.append(
            f'<tr><th scope="row">{escape(first)}</th>'
            + "".join(f"<td{kind(i)}>{escape(c)}</td>" for i, c in enumerate(rest, start=1))
            + "</tr>"
        )
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table>{said}<thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _result(comparison: Comparison) -> str:
    lines = []
    for row in comparison.rows:
        found = list(cells(row))
        if row.is_priced:
            found[2] = at_least(row, show_total(row.device, "J", band=True, between="\n"))
            found[3] = at_least(row, show_total(row.system, "J", band=True, between="\n"))
            found[4] = show_total(row.latency, "s", band=True, between="\n")
            found[5] = show_total(row.area, "m^2", band=True, between="\n")
        options = ", ".join(f"{k} {v}" for k, v in row.options.items())
        lines.append((*found, row.training + (f"; {options}" if options else ""), str(row.score.n)))
    header = (HEADER[0], comparison.measure, *HEADER[2:], "training and options", "runs")
    caption = (
        f"{comparison.samples} samples per run; mean ± standard deviation over seeds and chip instances. Costs are per "
        "inference, with the band of all price lists in brackets. Rank substrates by system energy only. "
        f"{AT_LEAST} marks totals without what has no published value; see What is left out."
    )
    text = _table(header, lines, caption=caption, numbers=frozenset({1, 2, 3, 4, 5, 8}))
    if comparison.failed:
        items = "".join(
            f"<li><b>{escape(n)}</b>: {escape(why)}</li>" for n, why in comparison.failed.items()
        )
        text += f"<p>Could not take the network:</p><ul>{items}</ul>"
    return text


def _figure(drawing: Drawing) -> str:
    data = ""
    if drawing.lines:
        data = (
            "<details><summary>The same as a table</summary>"
            + _table(drawing.header, drawing.lines)
            + "</details>"
        )
    return (
        f'<figure id="{escape(drawing.name)}">\n<h3>{escape(drawing.title)}</h3>\n{drawing.svg}\n'
        f"<figcaption>{escape(drawing.caption)}</figcaption>\n{data}</figure>\n"
    )


def _activity(comparison: Comparison) -> str:
    lines = []
    for row in comparison.rows:
        a = row.activity
        lines.append(
            (
                row.label,
                f"{a.input_spikes:,.1f}",
                f"{a.spikes:,.1f}",
                f"{a.operations.accumulates:,.0f}",
                f"{a.operations.multiplies:,.0f}",
                f"{a.operations.dense:,.0f}",
                f"{a.updates:,.0f}",
                f"{100 * a.activation_sparsity:.1f} %",
                f"{100 * a.connection_sparsity:.1f} %",
                f"{a.footprint:,}",
            )
        )
    header = (
        "line",
        "input spikes",
        "spikes",
        "accumulates",
        "multiply-accumulates",
        "dense operations",
        "neuron updates",
        "activation sparsity",
        "connection sparsity",
        "footprint (bytes)",
    )
    caption = "Per inference, mean over runs; definitions of NeuroBench 2.3.0, counted on the lowered network."
    return _table(header, lines, caption=caption, numbers=frozenset(range(1, 10)))


def _terms(comparison: Comparison) -> str:
    text = []
    for row in comparison.rows:
        if not row.is_priced:
            text.append(
                f"<h3>{escape(row.label)}</h3><p>Not a device: no energy, latency or area.</p>"
            )
        for costs in row.prices:
            if not costs.is_priced:
                continue
            lines = [
                (
                    t.name,
                    what if what != "energy" else f"energy, {t.category.value}",
                    f"{t.count:.4g}",
                    show_value(t.constant.value, t.constant.unit),
                    show_value(t.value, unit),
                    f"{show_value(t.low, unit)} to {show_value(t.high, unit)}",
                    t.constant.grade.value.replace("_", " "),
                )
                for what, terms, unit in (
                    ("energy", costs.energy, "J"),
                    ("latency", costs.latency, "s"),
                    ("area", costs.area, "m^2"),
                )
                for t in terms
            ]
            header = ("term", "kind", "count", "each", "together", "band", "grade")
            text.append(
                f"<h3>{escape(row.label)}, price list {escape(costs.preset)}</h3>"
                + _table(header, lines, numbers=frozenset({2, 3, 4, 5}))
            )
    return "".join(text)


def _changes(comparison: Comparison) -> str:
    text = []
    for row in comparison.rows:
        text.append(f"<h3>{escape(row.label)}</h3>")
        if not row.changes:
            text.append("<p>Nothing.</p>")
            continue
        lines = [
            (c.by, c.where, c.what, "-" if c.size is None else f"{c.size:.2g}", c.why)
            for c in row.changes
        ]
        header = ("pass", "where", "what", "relative size", "why")
        text.append(_table(header, lines, numbers=frozenset({3})))
    return "".join(text)


def _unpublished(comparison: Comparison) -> str:
    text = []
    for row in comparison.rows:
        said = [f"{u}: no published value, left out" for u in row.unpublished]
        said += row.notes
        if said:
            items = "".join(f"<li>{escape(s)}</li>" for s in said)
            text.append(f"<h3>{escape(row.label)}</h3><ul>{items}</ul>")
    return "".join(text) or "<p>Nothing.</p>"


def _constants(comparison: Comparison) -> str:
    text = []
    for name, constants in comparison.constants.items():
        text.append(f"<h3>{escape(name)}</h3>")
        if not constants:
            text.append("<p>It has none.</p>")
            continue
        lines = [
            (
                c.name,
                where,
                show_value(c.value, c.unit),
                "-"
                if c.low == c.high
                else f"{show_value(c.low, c.unit)} to {show_value(c.high, c.unit)}",
                c.grade.value.replace("_", " "),
                c.source,
                c.note or "-",
            )
            for where, c in constants
        ]
        header = ("constant", "table", "value", "band", "grade", "source", "note")
        text.append(_table(header, lines, numbers=frozenset({2})))
    return "".join(text)


def _about(comparison: Comparison) -> str:
    facts = dict(comparison.about) | {"seeds": ", ".join(str(s) for s in comparison.seeds)}
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    return f"<dl>{items}</dl>"


_CSS = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem 1.5rem; background: #fff; color: #1a1a1a;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; margin: 0.5rem 0; }
h2 { font-size: 1.3rem; margin: 2rem 0 0.5rem; border-bottom: 2px solid #0072b2; }
h3 { font-size: 1.05rem; margin: 1.2rem 0 0.4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.88rem; margin: 0.3rem 0 0.8rem; }
caption { text-align: left; color: #444; padding: 0.2rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.7rem 0.25rem 0;
  border-bottom: 1px solid #ddd; }
thead th { border-bottom: 2px solid #666; }
tbody th { font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
#result td.number { white-space: pre; }
figure { margin: 1rem 0 1.5rem; }
figure svg { max-width: 100%; height: auto; }
figcaption { color: #444; font-size: 0.9rem; max-width: 46rem; }
details { margin: 0.4rem 0; }
summary { cursor: pointer; color: #005a8c; }
dt { font-weight: 600; }
dd { margin: 0 0 0.5rem 1.2rem; }
footer { margin-top: 2rem; color: #555; font-size: 0.85rem; border-top: 1px solid #ddd; }
@media print {
  body { max-width: none; font-size: 10pt; padding: 0; }
  .wide { overflow: visible; }
  table { font-size: 8pt; }
  figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  details:not([open]) { display: none; }
  a { color: inherit; }
}
"""
