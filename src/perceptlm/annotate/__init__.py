"""The annotation service: people label, verify and adjudicate; quality is measured; releases are published.

`services` holds what may happen, `store` where it is kept, `api` how it is asked for. Nothing here loads torch or
knows a model's weights: proposals come in as text.
"""
