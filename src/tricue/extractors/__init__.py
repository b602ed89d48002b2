"""Signals in, sequences of vectors out: hub encoders and what needs no download."""
