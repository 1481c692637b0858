"""What a release of labels becomes: Samples, the reference's JSONL, FGQA tables, and a held-out test.

Takes rows and files, knows no database and no server.
"""
