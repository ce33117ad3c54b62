"""IBM TrueNorth: crossbar cores of integer neurons bit for bit, trinary weights, splitters, one price list."""
