"""The pieces of reports: self-contained HTML pages, score tables, curves, embedded pictures."""
