"""Human annotation: frames that are named exactly, people's work on them, its quality, and what is made of it.

Never loads torch and knows no model but through `clients`.
"""
