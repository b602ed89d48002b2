"""The one tree of settings."""
