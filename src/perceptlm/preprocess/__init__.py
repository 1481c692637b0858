"""perceptlm.preprocess."""
