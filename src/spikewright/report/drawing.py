"""One figure of a report: its words, its picture as inline SVG, and the same numbers as a table."""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Parameters
    ----------
    name : of its anchor
    title, caption : text around it
    alternative : what it shows, for those who do not see it
    svg : the picture
    header, lines : the same numbers as a table
    """

    name: str
    title: str
    caption: str
    alternative: str
    svg: str
    header: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()


def to_svg(figure: Any, name: str, alternative: str) -> str:
    """Return a figure as an SVG element with a text alternative and ids of its own."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # pictures that are alike (bars of colors) get the same id, which may stand in a page only once
    seen: Counter[str] = Counter()

    def own(found: re.Match[str]) -> str:
        seen[found[1]] += 1
        again = f"-again-{seen[found[1]]}" if seen[found[1]] > 1 else ""
        return f'id="{name}-{found[1]}{again}"'

    text = re.sub(r'\bid="([^"]*)"', own, text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    head = f'<svg role="img" aria-label="{escape(alternative, quote=True)}"'
    return text.replace("<svg", head, 1).strip()


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of a size in inches."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure
