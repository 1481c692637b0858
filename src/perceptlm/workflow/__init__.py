"""Several stages in a row: the demo, reproducing an artifact, tracing one Sample."""
