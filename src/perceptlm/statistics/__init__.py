"""perceptlm.statistics."""
