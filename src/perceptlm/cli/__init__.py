"""perceptlm.cli."""
