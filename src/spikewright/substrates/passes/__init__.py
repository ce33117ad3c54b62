"""Passes that substrates share: each takes a Network and gives a Network (or a Placement) and the list of changes."""
