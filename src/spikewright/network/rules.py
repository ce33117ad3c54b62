"""What must hold between the parts of a Network; every broken rule is reported at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spikewright.errors import NetworkError, Problems
from spikewright.network.attachment import check_rule, is_instant
from spikewright.network.connectivity.distribution import Distribution, delays
from spikewright.network.connectivity.recipe import Recipe
from spikewright.network.drive import MAX_MEAN, Drive, GaussianDrive, PoissonDrive, StepCurrent
from spikewright.network.topology import Dense, OneToOne, Sparse

if TYPE_CHECKING:
    from spikewright.network.graph import Network, Population, Projection

GRID_TOLERANCE = 1e-6
"""How far from a whole number of steps a delay may lie, in steps: float noise of `n * dt`, nothing more."""
MAX_STEP = 2.0**40
"""Steps that a run can have: a draw's counter has room for so many."""


def check(network: Network) -> None:
    """Raise NetworkError with every broken rule."""
    problems = Problems()
    number = isinstance(network.dt, int | float | np.number)
    if not (number and np.isfinite(network.dt) and network.dt > 0):
        problems.add("network.dt", "must be positive", found=network.dt, cure="e.g. 1 * ms")
    _check_kinds(network, problems)
    problems.raise_as(NetworkError)
    if not network.populations:
        problems.add("network", "has no populations")
    for name, population in network.populations.items():
        _check_population(name, population, problems)
    for name, projection in network.projections.items():
        _check_projection(network, name, projection, problems)
    for name, drive in network.drives.items():
        _check_drive(network, name, drive, problems)
    for name in network.outputs:
        if name not in network.populations:
            problems.add(
                "network.outputs",
                f"no population {name!r}",
                expected=", ".join(network.populations),
            )
    problems.raise_as(NetworkError)
    order(network)


def _check_kinds(network: Network, problems: Problems) -> None:
    from spikewright.network.graph import Population, Projection

    groups = (
        ("populations", network.populations, Population),
        ("projections", network.projections, Projection),
    )
    for group, members, kind in groups:
        for name, member in members.items():
            if not isinstance(member, kind):
                problems.add(
                    f"network.{group}[{name!r}]",
                    f"not a {kind.__name__}",
                    found=type(member).__name__,
                )
    for name, drive in network.drives.items():
        if not isinstance(drive, Drive):
            problems.add(
                f"network.drives[{name!r}]",
                "not a drive",
                found=type(drive).__name__,
                expected="PoissonDrive, GaussianDrive or StepCurrent",
            )


def _check_name(kind: str, name: object, problems: Problems) -> None:
    if not isinstance(name, str) or not name or "/" in name or "\x00" in name:
        problems.add(
            f"network.{kind}", f"{name!r} cannot be a name", cure="use text without '/', not empty"
        )


def _check_population(name: str, population: Population, problems: Problems) -> None:
    where = f"network.populations[{name!r}]"
    _check_name("populations", name, problems)
    if not population.shape or any(n < 1 for n in population.shape):
        problems.add(where, "needs neurons", found=f"shape {population.shape}")
    model = population.model
    groups = (
        ("params", population.params, model.params),
        ("initial", population.initial, model.state),
    )
    for group, values, known in groups:
        for key, value in values.items():
            place = f"{where}.{group}[{key!r}]"
            if key not in known:
                problems.add(
                    place,
                    f"{model.name} has no such {'parameter' if group == 'params' else 'variable'}",
                    expected=", ".join(known) or "none",
                )
            elif value.dtype.kind not in "if" or (model.integer and value.dtype.kind != "i"):
                problems.add(
                    place, "not a number" if not model.integer else "not an integer", found=value
                )
            elif value.shape not in ((), population.shape):
                problems.add(
                    place,
                    "wrong shape",
                    found=value.shape,
                    expected=f"one number or {population.shape}",
                )
            elif not np.all(np.isfinite(value)):
                problems.add(place, "not finite", found=_first_bad(value))


def _first_bad(values: Any) -> str:
    flat = np.ravel(values)
    index = int(np.flatnonzero(~np.isfinite(flat))[0])
    return f"{flat[index]} at index {index}"


def _check_projection(
    network: Network, name: str, projection: Projection, problems: Problems
) -> None:
    where = f"network.projections[{name!r}]"
    _check_name("projections", name, problems)
    ends_known = True
    for end in ("pre", "post"):
        population = getattr(projection, end)
        if population not in network.populations:
            ends_known = False
            problems.add(
                f"{where}.{end}",
                f"no population {population!r}",
                expected=", ".join(network.populations) or "a population",
            )
    topology = projection.topology
    for part in getattr(topology, "maps", (topology,)):
        weight = part.weight
        if weight is None:
            continue
        if weight.dtype.kind not in "if":
            problems.add(where, "weights are not numbers", found=weight.dtype)
        elif not np.all(np.isfinite(weight)):
            problems.add(where, "a weight is not finite", found=_first_bad(weight))
    if isinstance(projection.delay, Distribution):
        _check_drawn(network, where, projection, problems)
        delay = np.asarray(0.0)
    else:
        delay = np.asarray(projection.delay)
    if delay.dtype.kind != "f":
        problems.add(f"{where}.delay", "not a number", found=projection.delay)
    elif not np.all(np.isfinite(delay)) or np.any(delay < 0):
        problems.add(f"{where}.delay", "must be 0 or more", found=f"{delay.min()} s")
    elif network.dt > 0:
        steps = delay / network.dt
        off = np.abs(steps - np.rint(steps))
        if not _has_no_clock(network) and np.any(
            off > GRID_TOLERANCE * np.maximum(1.0, np.abs(steps))
        ):
            problems.add(
                f"{where}.delay",
                "not a whole number of steps",
                found=f"{np.ravel(delay)[int(np.argmax(off))]:g} s",
                expected=f"a multiple of dt = {network.dt:g} s",
                cure="round it, or choose a finer dt; any delay goes with propagation=Propagation.CONTINUOUS",
            )
        own = topology.weight
        shape = () if own is None else own.shape
        if delay.ndim and delay.shape != shape:
            problems.add(
                f"{where}.delay", "one delay per weight", found=delay.shape, expected=shape
            )
    if ends_known:
        _check_ends(network, name, projection, problems)
        if projection.rule is not None:
            check_rule(network, name, projection, problems)


def _check_drawn(network: Network, where: str, projection: Projection, problems: Problems) -> None:
    """Note where delays cannot be drawn."""
    topology = projection.topology
    own = isinstance(topology, Recipe | Dense | Sparse)
    if not own and not (isinstance(topology, OneToOne) and topology.weights.ndim):
        problems.add(
            f"{where}.delay",
            f"drawn delays need one weight per synapse, {topology.kind} shares or lacks them",
            expected="a recipe, Dense, Sparse, or OneToOne with one weight each",
            cure="write the map as Sparse",
        )
    try:
        delays(projection.delay, network.dt, where=f"{where}.delay")
    except NetworkError as error:
        problems.lines.append(str(error))


def _check_ends(network: Network, name: str, projection: Projection, problems: Problems) -> None:
    where = f"network.projections[{name!r}]"
    pre, post = network.populations[projection.pre], network.populations[projection.post]
    if not post.model.inputs:
        problems.add(where, f"{projection.post!r} ({post.model.name}) has no port to reach")
    elif projection.port and projection.port not in post.model.inputs:
        problems.add(
            f"{where}.port",
            f"{post.model.name} has no port {projection.port!r}",
            expected=", ".join(post.model.inputs),
        )
    try:
        shape = projection.topology.out_shape(pre.shape)
    except NetworkError as error:
        problems.add(where, f"does not fit {projection.pre!r} of shape {pre.shape}: {error}")
    else:
        n = int(np.prod(shape))
        same = n == post.n if projection.topology.flat(pre.shape) else shape == post.shape
        if not same:
            weight = projection.topology.weight
            found = f"weight {weight.shape}" if weight is not None else "it"
            problems.add(
                where,
                f"{found} gives shape {shape}, but {projection.post!r} has shape {post.shape}",
                cure=f"make {projection.post!r} of shape {shape}, or change the map",
            )
    if projection.bias is not None:
        if projection.bias.shape != post.shape:
            problems.add(
                f"{where}.bias", "wrong shape", found=projection.bias.shape, expected=post.shape
            )
        elif projection.bias.dtype.kind not in "if":
            problems.add(f"{where}.bias", "not numbers", found=projection.bias.dtype)
        elif not np.all(np.isfinite(projection.bias)):
            problems.add(f"{where}.bias", "not finite", found=_first_bad(projection.bias))
    if post.model.integer:
        for part in getattr(projection.topology, "maps", (projection.topology,)):
            real = part.weight is not None and part.weight.dtype.kind != "i"
            if real or (isinstance(part, Recipe) and not part.has_whole_weights()):
                problems.add(
                    where,
                    f"{projection.post!r} is an integer model, the weights are real",
                    cure="quantize the network first",
                )
        if projection.bias is not None and projection.bias.dtype.kind != "i":
            problems.add(f"{where}.bias", "real, but the target is an integer model")
    elif projection.exponent:
        problems.add(
            f"{where}.exponent", "only integer networks have one", found=projection.exponent
        )


def _check_drive(network: Network, name: str, drive: Drive, problems: Problems) -> None:
    where = f"network.drives[{name!r}]"
    _check_name("drives", name, problems)
    post = network.populations.get(drive.post)
    if post is None:
        problems.add(
            f"{where}.post",
            f"no population {drive.post!r}",
            expected=", ".join(network.populations) or "a population",
        )
        return
    if not post.model.inputs:
        problems.add(where, f"{drive.post!r} ({post.model.name}) has no port to reach")
    elif drive.port and drive.port not in post.model.inputs:
        problems.add(
            f"{where}.port",
            f"{post.model.name} has no port {drive.port!r}",
            expected=", ".join(post.model.inputs),
        )
    one = ((), post.shape)
    match drive:
        case PoissonDrive():
            rates = _check_values(f"{where}.rate", drive.rate, one, False, problems)
            _check_values(f"{where}.weight", drive.weight, one, post.model.integer, problems)
            if rates and np.any(drive.rate < 0):
                problems.add(f"{where}.rate", "must be 0 or more", found=f"{drive.rate.min():g} Hz")
            elif rates and np.any(drive.rate * network.dt > MAX_MEAN):
                problems.add(
                    f"{where}.rate",
                    "too many events in a step",
                    found=f"{float(drive.rate.max()) * network.dt:g} on average",
                    expected=f"{MAX_MEAN:g} at most",
                    cure=f"a dt of {MAX_MEAN / float(drive.rate.max()):.2g} s or less, or several "
                    "drives that share the rate",
                )
        case GaussianDrive():
            _check_values(f"{where}.mean", drive.mean, one, False, problems)
            if _check_values(f"{where}.std", drive.std, one, False, problems) and np.any(
                drive.std < 0
            ):
                problems.add(f"{where}.std", "must be 0 or more", found=f"{drive.std.min():g}")
            if post.model.integer:
                problems.add(where, f"real values, but {drive.post!r} is an integer model")
        case StepCurrent():
            _check_pieces(network, where, drive, problems)


def _check_pieces(network: Network, where: str, drive: StepCurrent, problems: Problems) -> None:
    post = network.populations[drive.post]
    pieces = drive.times.size
    shapes = ((pieces,), (pieces, *post.shape))
    _check_values(f"{where}.values", drive.values, shapes, post.model.integer, problems)
    if not _check_values(f"{where}.times", drive.times, ((pieces,),), False, problems):
        return
    steps = drive.times / network.dt
    off = np.abs(steps - np.rint(steps))
    if np.any(steps < 0):
        problems.add(f"{where}.times", "must be 0 or more", found=f"{drive.times.min():g} s")
    elif np.any(steps > MAX_STEP):
        problems.add(f"{where}.times", "too late", found=f"{drive.times.max():g} s")
    elif np.any(off > GRID_TOLERANCE * np.maximum(1.0, np.abs(steps))):
        problems.add(
            f"{where}.times",
            "not a whole number of steps",
            found=f"{drive.times[int(np.argmax(off))]:g} s",
            expected=f"a multiple of dt = {network.dt:g} s",
            cure="round it, or choose a finer dt",
        )
    elif np.any(np.diff(np.rint(steps)) <= 0):
        problems.add(f"{where}.times", "not ascending", found=drive.times[:8].tolist())


def _check_values(
    where: str, values: Any, shapes: tuple[Any, ...], integer: bool, problems: Problems
) -> bool:
    """Note what is wrong with an array of numbers; return whether nothing is."""
    if values.dtype.kind not in "if":
        problems.add(where, "not numbers", found=values.dtype)
    elif integer and values.dtype.kind != "i":
        problems.add(where, "real, but the target is an integer model", cure="say whole numbers")
    elif values.shape not in shapes:
        problems.add(
            where, "wrong shape", found=values.shape, expected=" or ".join(map(str, shapes))
        )
    elif not np.all(np.isfinite(values)):
        problems.add(where, "not finite", found=_first_bad(values))
    else:
        return True
    return False


def _has_no_clock(network: Network) -> bool:
    from spikewright.network.graph import Propagation

    return network.propagation is Propagation.CONTINUOUS


def order(network: Network) -> tuple[str, ...]:
    """Return the populations sorted so that what arrives within a step was emitted before.

    Raises
    ------
    NetworkError : a cycle without delay
    """
    instant: dict[str, list[str]] = {name: [] for name in network.populations}
    for name, projection in network.projections.items():
        if _has_no_clock(network) and not isinstance(projection.delay, Distribution):
            late: float = float(np.min(projection.delay, initial=np.inf))
        elif _has_no_clock(network):
            late = network.delay_range(name)[0]
        else:
            late = network.lag(name) + network.delay_range(name)[0]
        if late == 0 and np.size(projection.delay) and is_instant(projection):
            instant[projection.post].append(projection.pre)
    done: dict[str, bool] = {}
    result: list[str] = []
    for root in network.populations:
        stack = [(root, iter(instant[root]))]
        if root in done:
            continue
        done[root] = False
        while stack:
            name, sources = stack[-1]
            for source in sources:
                if source not in done:
                    done[source] = False
                    stack.append((source, iter(instant[source])))
                    break
                if not done[source]:
                    loop = [n for n, _ in stack]
                    cycle = loop[loop.index(source) :]
                    problems = Problems()
                    problems.add(
                        "network.projections",
                        "a cycle without delay: " + " -> ".join([*reversed(cycle), cycle[-1]]),
                        cure=f"give one of its projections a delay of at least dt = {network.dt:g} s",
                    )
                    problems.raise_as(NetworkError)
            else:
                stack.pop()
                done[name] = True
                result.append(name)
    return tuple(result)
