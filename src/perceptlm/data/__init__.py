"""Datasets on disk -> which Samples each step sees: `sample_set` reads, `mixture` plans. No torch, no tokens."""
