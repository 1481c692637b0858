"""Reading and writing what leaves or enters: JSON Lines, run-length masks."""
