"""What one GPU is measured by: a part per file, and what the parts share."""
