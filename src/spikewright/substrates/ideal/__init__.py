"""The null device: compiling is the identity."""
