"""SynSense Xylo: 16-bit integer neurons bit for bit, limits of three chips of the family, cycle-count costs."""
