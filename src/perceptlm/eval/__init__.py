"""perceptlm.eval."""
