"""perceptlm.workflow."""
