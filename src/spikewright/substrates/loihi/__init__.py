"""Intel Loihi 1: fixed-point arithmetic bit for bit, core limits, two price lists."""
