"""Converted datasets are data like any other: a SampleSet opens them, and the Processor makes Examples of all kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perceptlm.batch import VisionLayout
from perceptlm.data.converters.convert import convert
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.settings import Sources
from perceptlm.data.sample_set import SampleSet
from perceptlm.preprocess.processor import Processor, ProcessorConfig
from perceptlm.preprocess.tokenizer import train_tokenizer

BOX = [4.0, 4.0, 40.0, 28.0]
STC = {"uid": 0, "video": "sav_000002.mp4", "masklet_id": 2, "total_frames": 12}
SPAN = {"caption": "The dog turns.", "start_frame": 3, "end_frame": 11}
METADATA = {
    "source_video_id": "long", "source_dataset": "COIN", "source_start_time": 2.0, "source_end_time": 3.0,
    "q_type": "x", "q_subtype": "x", "domain": "x", "is_audited": 0, "what_description": "x",
}  # fmt: skip
TALK = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "Grey."}]
KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "question": (
        "human-fgqa",
        {"qa_id": "q", "segment_id": "s", "question": "How?", "answer": "So.", "metadata": METADATA},
        {},
    ),
    "caption": ("human-rcap", STC | SPAN, {"boxes": True}),
    "time": ("human-rtloc", STC | SPAN, {"no_regions": True}),
    "dense": ("human-rdcap", STC | {"dense_captions": [SPAN]}, {"boxes": True}),
    "page": ("image-auto-pdfacc", {"uuid": "1", "image": "a.png", "page": 0, "conversations": TALK}, {}),
    "film": ("video-auto-ego4d-qa", {"video": "cut.mp4", "question": "How?", "answer": "So."}, {}),
    "text": ("llava", {"conversations": TALK}, {"origin": "program:test:1:CC0-1.0"}),
    "images": (
        "llava",
        {"image": ["a.png", "pages/b.png"], "conversations": TALK},
        {"origin": "program:test:1:CC0-1.0"},
    ),
    "grounding": (
        "reference",
        {"image": "a.png", "bbox": [[1, 2, 3, 4]], "conversations": [{**TALK[0], "value": "<|bbox0|>?"}, TALK[1]]},
        {"origin": "program:test:1:CC0-1.0"},
    ),
}


@pytest.fixture(scope="module")
def processor() -> Processor:
    tokenizer = train_tokenizer(["What does it do? system user assistant [0, 3] Grey."] * 20, 300)
    layout = VisionLayout(tile_size=32, patch_size=8, pooling_ratio=2)
    return Processor(ProcessorConfig(layout=layout, num_frames=4, max_tiles=2, max_tokens=2000), tokenizer)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_becomes_an_example(
    kind: str, processor: Processor, media: Path, write_rows: Any, tmp_path: Path
) -> None:
    name, row, values = KINDS[kind]
    boxes = tmp_path / "boxes.jsonl"
    boxes.write_text(json.dumps({"video": STC["video"], "masklet_id": 2, "bbox": {str(f): BOX for f in range(12)}}))
    sources = Sources((write_rows([row]),), media, boxes=boxes if values.get("boxes") else None)
    values = {key: value for key, value in values.items() if key != "boxes"}
    out = convert(tmp_path / "out", sources, settings_for(name, sources, **values))

    root = tmp_path / "root"
    (root / "train").mkdir(parents=True)
    (root / "train/samples.jsonl").write_bytes((out / "train/samples-00000.jsonl").read_bytes())
    for file in media.rglob("*.*"):
        (root / file.relative_to(media)).parent.mkdir(exist_ok=True)
        (root / file.relative_to(media)).write_bytes(file.read_bytes())
    (sample,) = SampleSet.open(root, "train").samples
    example = processor.example([sample], root)
    assert example.num_supervised
    assert example.pictures.shape[0] == {"text": 0, "images": 2, "page": 3, "grounding": 3}.get(kind, 4)
    text = processor.tokenizer.decode(example.input_ids.tolist(), keep_special=True)
    assert "<|frame" not in text
    if kind == "time":
        assert "[1, 3]" in text
    if kind == "question":  # frames 16 to 24 of 48, of which each is brighter
        levels = example.pictures.mean(axis=(1, 2, 3))
        assert levels == pytest.approx(20 + 4 * np.array([16, 19, 21, 24]), abs=4)
