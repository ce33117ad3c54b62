"""`spikewright events stats`: rates, silences, intervals, hot pixels and bandwidth, in one reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from spikewright.cli.console import JSON, write, write_json
from spikewright.cli.events.options import (
    CLOCK,
    FROM,
    QUIET,
    READ,
    SOURCE_HELP,
    START,
    STOP,
    STRICT,
)

BARS = " ▁▂▃▄▅▆▇█"
SHOWN = 5
"""Hot pixels and silences that are listed for people."""


def stats(
    source: Path = typer.Argument(..., help=SOURCE_HELP),
    start: str | None = START,
    stop: str | None = STOP,
    clock: str = CLOCK,
    bins: int = typer.Option(64, "--bins", min=2, max=1 << 18, help="Bins of the rate, at most."),
    gap: str = typer.Option("10ms", "--gap", help="A silence that is worth telling."),
    window: str = typer.Option("1ms", "--window", help="Time over which the peak rate is taken."),
    hot: str = typer.Option(
        "deviations:3",
        "--hot",
        help="Rule for hot pixels: deviations:FACTOR, as the filter hot_pixels, or neighbors:FACTOR.",
    ),
    from_: str | None = FROM,
    read: list[str] | None = READ,
    strict: bool = STRICT,
    quiet: bool = QUIET,
    json: bool = JSON,
) -> None:
    """Measure a recording: rate over time, polarity, silences, intervals of pixels, hot pixels, bandwidth."""
    from spikewright.cli.events.meter import Meter
    from spikewright.cli.events.options import seconds
    from spikewright.cli.events.streams import (
        complain_of,
        end,
        pieces,
        reading,
        stretch_of,
        told,
        worth_telling,
    )
    from spikewright.events.measures.histograms import (
        BandwidthMeter,
        Gaps,
        Intervals,
        PolarityCount,
    )
    from spikewright.events.measures.pixels import PixelCounts
    from spikewright.events.measures.rates import RatePyramid

    rule, factor = hot_rule(hot)
    with reading(source, format=from_, options=read, strict=strict) as reader:
        head = reader.header
        stretch = stretch_of(reader, start, stop, clock)
        rates = RatePyramid(bins=max(1 << 16, bins))
        polarity, pixels = PolarityCount(), PixelCounts(head.width, head.height)
        silences = Gaps(least=seconds(gap, "--gap") or 0.0)
        intervals = Intervals(head.width, head.height)
        bandwidth = BandwidthMeter(window=seconds(window, "--window") or 0.0)
        with Meter("measuring", reader, shown=not quiet) as meter:
            for _, chunk in pieces(reader, stretch):
                for measure in (rates, polarity, pixels, silences, intervals, bandwidth):
                    measure.add(chunk)
                meter.at(rates.n)
        found = worth_telling(reader)
        name = reader.source.name
    width, counts = rates.level(bins)
    carried = bandwidth.result()
    facts: dict[str, Any] = {
        "file": name,
        "events": rates.n,
        "on": polarity.on,
        "off": polarity.off,
        "outside": pixels.outside,
        "rate": {
            "mean": carried.mean,
            "peak": carried.peak,
            "window": carried.window,
            "bin": width * 1e-6,
            "start": rates.start // width * width,
            "counts": counts.sum(axis=1),
        },
        "bandwidth": {
            kind: dict(zip(("mean", "peak"), carried.bytes_per_second(size), strict=True))
            for kind, size in (("evt2", 4), ("dat", 8), ("columns", 13))
        },
        "gaps": {
            "least": seconds(gap, "--gap"),
            "count": silences.n,
            "longest": [{"start": g.start, "stop": g.stop} for g in silences.longest],
        },
        "intervals": {"edges": intervals.edges, "counts": intervals.counts},
        "pixels": pixels_of(pixels, rule, factor),
        "irregularities": told(found),
    }
    if json:
        write_json(facts)
    else:
        for line in described(facts):
            write(line)
        complain_of(name, found)
    end(found)


def hot_rule(text: str) -> tuple[Any, float]:
    """Return rule and factor of `RULE:FACTOR`.

    Raises
    ------
    UsageError : no such rule, or no number
    """
    from spikewright.errors import UsageError, explain
    from spikewright.events.measures.pixels import HotRule

    name, _, number = text.partition(":")
    try:
        return HotRule(name), float(number or 3)
    except ValueError:
        raise UsageError(
            explain("--hot", "is no rule", found=repr(text), expected="deviations:3 or neighbors:5")
        ) from None


def pixels_of(pixels: Any, rule: Any, factor: float) -> dict[str, Any]:
    """Return how pixels share the events, and which fire far more than others."""
    import numpy as np

    from spikewright.events.measures.pixels import hot_pixels

    total = pixels.total
    hot = np.argwhere(hot_pixels(total, rule=rule, factor=factor))
    hot = hot[np.argsort(-total[hot[:, 0], hot[:, 1]], kind="stable")]
    return {
        "rule": f"{rule.value}:{factor:g}",
        "active": int((total > 0).sum()),
        "all": int(total.size),
        "busiest": int(total.max(initial=0)),
        "hot": [{"x": int(x), "y": int(y), "events": int(total[y, x])} for y, x in hot],
    }


def described(facts: dict[str, Any]) -> list[str]:
    """Return the measures as lines for people."""
    from spikewright.units import show

    rate, gaps, pixels = facts["rate"], facts["gaps"], facts["pixels"]
    share = f" ({facts['on'] / facts['events']:.1%} ON)" if facts["events"] else ""
    lines = [f"{facts['file']}: {facts['events']:,} events{share}"]
    lines.append(
        f"  rate       {show(rate['mean'], 'events/s')} on average, "
        f"{show(rate['peak'], 'events/s')} in the busiest {show(rate['window'], 's')}"
    )
    if len(rate["counts"]):
        lines.append(f"             |{bars(rate['counts'])}| {show(rate['bin'], 's')} each")
    carried = ", ".join(
        f"{kind} {show(b['mean'], 'B/s')} (peak {show(b['peak'], 'B/s')})"
        for kind, b in facts["bandwidth"].items()
    )
    lines.append(f"  bandwidth  {carried}")
    lines.append(f"  silences   {gaps['count']:,} of {show(gaps['least'], 's')} or longer")
    for one in gaps["longest"][:SHOWN]:
        length = show((one["stop"] - one["start"]) * 1e-6, "s")
        lines.append(f"             {length} from {one['start']:,} us")
    lines.append(f"  intervals  {middle(facts['intervals'])}")
    lines.append(
        f"  pixels     {pixels['active']:,} of {pixels['all']:,} active, at most {pixels['busiest']:,} events each; "
        f"{len(pixels['hot'])} hot by {pixels['rule']}"
    )
    for one in pixels["hot"][:SHOWN]:
        lines.append(f"             ({one['x']}, {one['y']}): {one['events']:,} events")
    if facts["outside"]:
        lines.append(f"  outside    {facts['outside']:,} events beyond the sensor")
    return lines


def bars(counts: Any) -> str:
    """Return numbers as a row of bars; what is not 0 is seen."""
    most = max(int(counts.max()), 1)
    return "".join(BARS[-(-int(n) * (len(BARS) - 1) // most)] for n in counts)


def middle(intervals: dict[str, Any]) -> str:
    """Say in which bin of a histogram the median interval lies."""
    import numpy as np

    from spikewright.units import show

    edges, counts = intervals["edges"], intervals["counts"]
    if not counts.sum():
        return "none: no pixel has two events"
    k = int(np.searchsorted(np.cumsum(counts), (counts.sum() + 1) // 2))
    if k == 0:
        return "half of them below 1 us"
    low = show(edges[k - 1] * 1e-6, "s")
    high = show(edges[k] * 1e-6, "s") if k < len(edges) else "any"
    return f"of a pixel's events: median between {low} and {high}"
