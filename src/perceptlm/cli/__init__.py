"""The command `plm`: one file per noun, lazy imports, no logic."""
