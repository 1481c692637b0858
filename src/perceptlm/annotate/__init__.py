"""Human annotation: who labels what, how good it is, and when an expert is asked."""
