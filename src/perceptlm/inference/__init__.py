"""perceptlm.inference."""
