"""Domain packs: what people are asked, how and by which rules, as a directory of data without code."""
