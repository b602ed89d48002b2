"""Frozen extractors: utterances in, one (T, D) array per modality out, kept in a store."""
