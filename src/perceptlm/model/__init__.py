"""perceptlm.model."""
