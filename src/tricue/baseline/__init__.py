"""Simple models on pooled features, beside which a network is scored; and what they tell of the features."""
