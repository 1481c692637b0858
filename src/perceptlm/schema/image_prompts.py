"""How image benchmarks ask: the question, and what the public harness adds to it.

Interface data of lmms-eval. Where its configuration has a wording for PLM (key `plm`: TextVQA, VQAv2, POPE) it is that
one, otherwise the benchmark's usual short instruction. RefCOCO: facts/reference-implementation.md 2.5. Knows no image
and no data set.
"""

from __future__ import annotations

DOCVQA = "{question}\nAnswer the question using a single word or phrase."
CHARTQA = "{question}\nAnswer the question with a single word."
TEXTVQA = "{question}\nProvide a short and direct response."
VQAV2 = "{question}\nGive a very brief answer."
POPE = "{question}\nYour response must be concise."
REFCOCO = (
    "Provide a bounding box of the region this sentence describes: '{expression}'.\nUse the format [x1, y1, x2, y2]."
)
COCO_CAPTIONS = "Describe the image briefly."
