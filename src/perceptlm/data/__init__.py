"""perceptlm.data."""
