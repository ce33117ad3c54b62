"""Gap junctions: a current in proportion to the difference of two voltages, at every step.

For a symmetric junction give each pair in both directions. The weight is a conductance where the port takes a
current.

Source
------
Lewis, Rinzel, "Dynamics of spiking neurons connected by both inhibitory and electrical coupling", J. Comput.
Neurosci. 14, 2003.
"""

from spikewright.network.synapse import SynapseModel

GapJunction = SynapseModel(
    name="GapJunction",
    weight="weight/V",
    reads={"v_pre": "V", "v_post": "V"},
    send="",
    current="w * (v_pre - v_post)",
    source="Lewis, Rinzel, J. Comput. Neurosci. 14, 2003",
)
