"""Readers of published corpora."""
