"""SpiNNaker 1: ARM cores that compute neurons in s16.15 fixed point."""
