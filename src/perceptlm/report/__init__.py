"""perceptlm.report."""
