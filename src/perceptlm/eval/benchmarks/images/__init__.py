"""Image benchmarks as published: DocVQA, ChartQA, TextVQA, VQAv2, POPE, RefCOCO and COCO captions."""
