"""What a row's target is, and all that follows from it: reading, losses, answers, scores."""
