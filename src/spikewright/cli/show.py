"""`spikewright show`: what a file, a neuron model or a substrate is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from spikewright.cli.console import DT, JSON, PRECISION, THREADS, say, write, write_json


def show(
    what: str = typer.Argument(
        ..., help="A file (network, NIR graph, events, arrays), a neuron model, or a substrate."
    ),
    picture: Path | None = typer.Option(None, "--picture", help="PNG or SVG of it."),
    plan: bool = typer.Option(
        False, "--plan", help="Of a network: how the compiled engine would run it, and why."
    ),
    rate: float = typer.Option(
        5.0, "--rate", min=0.0, help="With --plan: mean rate in Hz that the expected time is for."
    ),
    precision: str = PRECISION,
    threads: int | None = THREADS,
    dt: float | None = DT,
    json: bool = JSON,
) -> None:
    """Say what something is; `--picture` draws it. What a file holds is found in its content."""
    from spikewright.errors import UsageError, explain
    from spikewright.substrates import available

    if plan:
        _plan(Path(what), dt, precision, threads, rate, json)
        return

    if picture is not None and picture.suffix not in (".png", ".svg"):
        raise UsageError(
            explain(
                str(picture), "unknown ending", found=repr(picture.suffix), expected=".png or .svg"
            )
        )
    path = Path(what)
    if path.exists():
        data, text, draw = _file(path, dt)
    elif what in available():
        data, text, draw = _substrate(what)
    else:
        from spikewright.network import MODELS

        if what not in MODELS:
            raise UsageError(
                explain(
                    f"show {what!r}",
                    "neither a file, a substrate nor a neuron model",
                    expected=f"a path, {', '.join(available())}, or a model of `spikewright list models`",
                )
            )
        data, text, draw = _model(what)
    if picture is not None:
        if draw is None:
            raise UsageError(explain(f"show {what!r} --picture", "there is no picture of it"))
        _save(draw, picture)
        say(f"picture: {picture}")
    if json:
        write_json(data)
    else:
        write(text)


def _plan(
    path: Path, dt: float | None, precision: str, threads: int | None, rate: float, json: bool
) -> None:
    """Say what would be built, before anything is."""
    from spikewright.cli.documents import read_network
    from spikewright.engines import plan

    network, _ = read_network(path, dt=dt)
    made = plan(network, precision=precision, threads=threads)
    if not json:
        write(made.text(rate))
        return
    write_json(
        {
            "network": network.name,
            "precision": made.precision,
            "threads": made.threads,
            "steps_together": made.together,
            "why": made.why_together,
            "populations": {
                n: {"mode": p.mode, "why": p.why, "bytes": p.size}
                for n, p in made.populations.items()
            },
            "projections": {
                n: {"form": q.what, "why": q.why, "synapses": q.n, "bytes": q.size}
                for n, q in made.projections.items()
            },
            "bytes": made.size,
            "rate": rate,
            "seconds_per_second": made.seconds(rate),
        }
    )


def _file(path: Path, dt: float | None) -> tuple[Any, str, Any]:
    from spikewright.cli.documents import Kind, kind_of, read_arrays, read_events, read_network

    kind = kind_of(path)
    if kind is Kind.ARRAYS:
        arrays = {name: list(a.shape) for name, a in read_arrays(path).items()}
        text = "\n".join(f"  {name}: array {tuple(shape)}" for name, shape in arrays.items())
        return {"kind": kind.value, "arrays": arrays}, f"{path}: arrays\n{text}", None
    if kind is Kind.EVENTS:
        events = read_events(path)
        data = {
            "kind": kind.value,
            "n": len(events.t),
            "shape": events.shape,
            "tick": events.tick,
            "graded": events.value is not None,
            "first": float(events.t[0] * events.tick) if len(events.t) else None,
            "last": float(events.t[-1] * events.tick) if len(events.t) else None,
        }
        return data, f"{path}: {events!r}", lambda figure: _draw_events(figure, events)
    network, report = read_network(path, dt=dt)
    data = {
        "kind": kind.value,
        "name": network.name,
        "dt": network.dt,
        "neurons": network.n_neurons,
        "weights": network.n_weights,
        "inputs": network.inputs,
        "outputs": network.outputs,
        "populations": {
            n: {"model": p.model.name, "shape": p.shape} for n, p in network.populations.items()
        },
        "projections": {
            n: {"pre": q.pre, "post": q.post, "topology": q.topology.kind}
            for n, q in network.projections.items()
        },
        "report": report,
    }
    text = network.summary() + ("" if report is None else f"\n{report}")
    return data, text, lambda figure: _draw_network(figure, network)


def _model(name: str) -> tuple[Any, str, Any]:
    from spikewright.network import MODELS

    model = MODELS[name]
    lines = [f"{model.name}  ({model.source})" if model.source else model.name]
    for title, values in (
        ("state", {k: f"in {u}" for k, u in model.state.items()}),
        ("parameters", {k: f"= {v:g} {u}" for k, (v, u) in model.params.items()}),
        ("ports", {k: f"in {u}" for k, u in model.inputs.items()}),
        ("arrivals are added to", {k: v for k, v in model.jumps.items()}),
        ("d/dt", {k: f"= {v}" for k, v in model.dynamics.items()}),
        ("next value", {k: f"= {v}" for k, v in model.update.items()}),
        ("fires where", {model.threshold: ""} if model.threshold else {}),
        ("reset", {k: f"= {v}" for k, v in model.reset.items()}),
    ):
        if values:
            lines.append(f"  {title}")
            lines += [f"    {k} {v}".rstrip() for k, v in values.items()]
    lines.append(f"  linear: {'yes' if model.is_affine else 'no'}; reset: {model.reset_kind.value}")
    return model.as_dict(), "\n".join(lines), None


def _substrate(name: str) -> tuple[Any, str, Any]:
    from spikewright import substrates
    from spikewright.report.cost import show_value

    chip = substrates.get(name).chip
    lines = [chip.title, f"  {chip.description}"]
    lines += [f"  {k.replace('_', ' ')}: {v}" for k, v in chip.capabilities.items()]
    for table, c in chip.constants():
        value = f"{c.value:g}" if c.unit == "1" else show_value(c.value, c.unit)
        lines.append(
            f"  {table}.{c.name} = {value}  ({c.grade.value.replace('_', ' ')}: {c.source})"
        )
    lines += [f"  unpublished: {u}" for u in chip.unpublished]
    data = {
        "name": chip.name,
        "title": chip.title,
        "description": chip.description,
        "capabilities": chip.capabilities,
        "constants": [{"table": t, **_as_dict(c)} for t, c in chip.constants()],
        "unpublished": chip.unpublished,
    }
    return data, "\n".join(lines), None


def _as_dict(constant: Any) -> dict[str, Any]:
    from spikewright.report.result import plain

    found: dict[str, Any] = plain(constant)
    return found


def _save(draw: Any, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from spikewright.files import replacing

    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=120)


def _draw_events(figure: Any, events: Any) -> None:
    axes = figure.subplots()
    axes.scatter(events.t * events.tick, events.address, s=4, marker="|", color="black", lw=0.7)
    axes.set_xlabel("time (s)")
    axes.set_ylabel(f"address in {events.shape}")


def _draw_network(figure: Any, network: Any) -> None:
    """Draw populations as boxes from left to right, projections as arrows."""
    depth: dict[str, int] = {}
    for name in network.order():
        before = [
            depth[network.projections[q].pre]
            for q in network.incoming(name)
            if network.projections[q].pre in depth and network.projections[q].pre != name
        ]
        depth[name] = 1 + max(before, default=-1)
    columns: dict[int, list[str]] = {}
    for name, place in depth.items():
        columns.setdefault(place, []).append(name)
    tallest = max(map(len, columns.values()))
    figure.set_size_inches(max(4.0, 1.9 * len(columns)), 1.2 + 1.1 * tallest)
    axes = figure.subplots()
    axes.set_axis_off()
    at = {}
    for x, names in columns.items():
        for row, name in enumerate(names):
            at[name] = (x, (len(names) - 1) / 2 - row)
    for q in network.projections.values():
        axes.annotate(
            "",
            at[q.post],
            at[q.pre],
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#0072B2",
                "shrinkA": 34,
                "shrinkB": 34,
                "connectionstyle": "arc3,rad=0.25" if depth[q.post] <= depth[q.pre] else "arc3",
            },
        )
        if q.pre != q.post:
            middle = [(a + b) / 2 for a, b in zip(at[q.pre], at[q.post], strict=True)]
            axes.text(
                *middle, q.topology.kind, fontsize=7, ha="center", va="bottom", color="#005a8c"
            )
    for name, (x, y) in at.items():
        p = network.populations[name]
        shape = " x ".join(map(str, p.shape))
        axes.text(
            x, y, f"{name}\n{p.model.name}\n{shape}", ha="center", va="center", fontsize=8,
            bbox={"boxstyle": "round,pad=0.5", "fc": "white", "ec": "black"}, parse_math=False,
        )  # fmt: skip
    axes.set_xlim(-0.6, max(columns) + 0.6)
    axes.set_ylim(-tallest / 2 - 0.3, tallest / 2 + 0.3)
    axes.set_title(network.name, parse_math=False)
