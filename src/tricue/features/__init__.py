"""Frozen extractors: utterances in, one (T, D) array per cue out, kept in a store."""
