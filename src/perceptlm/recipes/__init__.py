"""perceptlm.recipes."""
