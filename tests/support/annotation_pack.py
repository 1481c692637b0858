"""A small pack for tests: one drawn clip, one picture, a question of each kind."""

import json

YAML = """\
format_version: 1
id: small
title: A small pack
version: 1.0.0
licence: CC0-1.0
description: For tests.
media: {licence: CC0-1.0, source: drawn}
domains:
  - id: things
    title: Things
    children: [{id: keys, title: Keys}, {id: drums, title: Drums}]
question_types:
  - id: which
    title: Which thing
    kind: fgqa
    steps: [question_check, blind_answer, compare, distractor, review, expert, ceiling]
  - id: where
    title: Where to
    kind: choice
    steps: [choice, expert]
    options: [left, right]
reason_codes:
  question: [{id: ambiguous, title: Two meanings}]
  review: [{id: wrong, title: It is wrong}]
  expert: [{id: seen, title: It can be seen}]
credential_rules:
  - {domain: things, level: expert, evidence: a certificate, valid_days: 30}
policy: {gold_rate: 0.2}
shortcuts: {submit: Ctrl+Enter}
drawing: {width: 64, height: 64, frames_per_second: 8}
"""
GUIDELINE = "# How to\n\nLook twice.\n\n![A frame](pictures/frame.png)\n"
SCENE = {
    "id": "clip", "seed": 1, "num_frames": 24, "background": "gradient_05",
    "things": [{"name": "key", "kind": "key", "colour": "blue"}, {"name": "drum", "kind": "drum", "colour": "red"}],
    "events": [{"thing": "key", "action": "spin", "count": 1, "start": 4, "end": 16}],
}  # fmt: skip
MODEL = {"name": "test", "revision": "1", "licence": "CC0-1.0"}
ITEM = {
    "key": "clip-1", "asset": "media/clip.mp4", "domain": "keys", "question_type": "which", "question": "What turns?",
    "proposals": [
        {"kind": "answer", "text": "the drum", "planted_wrong": True, "model": MODEL},
        {"kind": "distractor", "text": "the red drum", "model": MODEL},
    ],
}  # fmt: skip
GOLD = {
    "item": {
        "key": "clip-2", "asset": "media/clip.mp4", "domain": "drums", "question_type": "where", "question": "Where?",
    },
    "step": "choice", "expected": {"choice": 1, "evidence": {"start": 2, "end": 24}},
}  # fmt: skip
CALIBRATION = {
    "item": {**ITEM, "key": "clip-3"}, "step": "distractor", "distractor": 0,
    "expected": {"verdict": "certainly_false"}, "explanation": "The key turns.",
}  # fmt: skip


def small_pack(root):
    """Write the pack to `root` and return it."""
    from PIL import Image

    (root / "pictures").mkdir(parents=True)
    Image.new("RGB", (8, 8), (20, 90, 160)).save(root / "pictures" / "frame.png")
    (root / "pack.yaml").write_text(YAML, encoding="utf-8")
    (root / "guideline.md").write_text(GUIDELINE, encoding="utf-8")
    for name, line in (("scenes", SCENE), ("items", ITEM), ("gold", GOLD), ("calibration", CALIBRATION)):
        (root / f"{name}.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    return root
