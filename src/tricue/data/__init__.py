"""Corpora: from published layouts or any manifest to utterances and their splits."""
