"""Human annotation: frames that are named exactly, people's work on them, its quality, and what is made of it.
"""The annotation service: people label, verify and adjudicate; quality is measured; releases are published.

Never loads torch and knows no model but through `clients`.
"""
