"""ODIN: 256 neurons of 8 bits with a linear leak, a crossbar of 3-bit weights, the published power equation."""
