"""perceptlm.media."""
