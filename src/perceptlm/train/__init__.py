"""perceptlm.train."""
