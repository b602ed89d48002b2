"""Studies: many runs compared, each with its figure."""
