"""From features to a trained checkpoint."""
