"""perceptlm.world."""
