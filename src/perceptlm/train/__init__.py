"""Training: stages from recipes, resumable to the byte. Knows nothing of evaluation."""
