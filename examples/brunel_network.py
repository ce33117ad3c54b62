"""Brunel's random network of excitatory and inhibitory neurons: planned, run, and its activity measured.

    python examples/brunel_network.py [NEURONS] [SECONDS]      # 10000 is the published size

Source: Brunel, J. Comput. Neurosci. 8 (2000), model A; here g = 5 and eta = 2: asynchronous irregular.
"""

import sys
import time

import numpy as np

import spikewright as sw
from spikewright import ms, mV

n = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.5
sizes = {"exc": 4 * n // 5, "inh": n // 5}
j = 0.1 * mV * 10_000 / n  # smaller networks have fewer inputs, each stronger: the same mean
g, eta, tau_m, v_th = 5.0, 2.0, 20 * ms, 20 * mV

params = {"tau_m": tau_m, "e_l": 0.0, "v_th": v_th, "v_reset": 10 * mV, "t_ref": 2 * ms}
draw = np.random.default_rng(1)
populations = {
    name: sw.Population(sw.DeltaLIF, size, params, {"v": draw.uniform(0.0, v_th, size)})
    for name, size in sizes.items()
}
projections = {}
for pre, weight in (("exc", j), ("inh", -g * j)):
    for post in sizes:
        recipe = sw.FixedInDegree(sizes[post], sizes[pre] // 10, weight, seed=len(projections))
        projections[f"{pre}->{post}"] = sw.Projection(pre, post, recipe, delay=1.5 * ms)
drives = {
    f"outside->{name}": sw.PoissonDrive(name, eta * v_th / (j * tau_m), weight=j) for name in sizes
}
net = sw.Network(dt=0.1 * ms, populations=populations, projections=projections, drives=drives)
print(sw.plan(net, precision="single").text(rate=40.0), end="\n\n")

ready = sw.prepare(net, precision="single")
state = sw.run(ready, steps=2000, seed=1, spikes=()).state  # settle for 0.2 s
began = time.perf_counter()
recording = sw.run(ready, steps=round(seconds / net.dt), seed=1, state=state, spikes=("exc",))
took = time.perf_counter() - began

events = recording.events("exc")
by_neuron = np.split(
    events.t[np.argsort(events.address, kind="stable")], np.cumsum(recording.count("exc")[0])[:-1]
)
intervals = [np.diff(t) for t in by_neuron if len(t) > 3]
cv = np.mean([x.std() / x.mean() for x in intervals])
print(f"rate {recording.count('exc').mean() / recording.duration:.1f} Hz, CV of intervals {cv:.2f}")
print(
    f"{recording.duration:g} s of network time in {took:.2g} s: real-time factor {took / recording.duration:.2g}"
)
