"""Human annotation: domain packs, the fine-grained QA flow, and the service around them."""
