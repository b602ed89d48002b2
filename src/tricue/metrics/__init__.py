"""Scores of answers against labels, each with its 95% interval: plain arrays in, JSON-ready numbers out."""
