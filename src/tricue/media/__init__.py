"""Opening and decoding media: the only place that does."""
