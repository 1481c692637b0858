"""Published benchmarks, one folder each: how answers are read and scored."""
