"""Multi-step kernels, forward and backward, generated from a model's text.

adjoint    one step in single assignment, its adjoint, and what must be kept for it
text       source of the row kernels of a population
group      source of the loops over samples and time around them
bits       spikes as bits and lists: compiled loops that visit spikes only
products   which way a product is calculated
plan       a group, ready to run
op         plans as PyTorch operators
build      from populations and what reaches them to a plan
members    what a module hands over
"""
