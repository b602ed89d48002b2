"""How fast features are extracted: a part per file, and what the parts share."""
