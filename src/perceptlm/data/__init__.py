"""Datasets on disk: which Samples each step sees (`sample_set`, `mixture`), what they hold and where they come from.

`catalogue`, `blend` and `open_weights` know of datasets and models; `validation`, `profile` and `audit` read a
directory record by record, through `dataset_files`. No torch, no tokens.
"""
