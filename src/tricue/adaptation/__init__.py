"""What is peculiar to a speaker: learned from the training rows, taken off without labels."""
