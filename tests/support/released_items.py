"""Release rows about the videos of `frame_corpus`, as an annotation project would release them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frame_corpus import CorpusVideo

from perceptlm.annotate.export.exported_media import file_digest
from perceptlm.annotate.export.released import ReleasedAsset, ReleasedItem
from perceptlm.annotate.frames.identity import identify

BOX = (10.0, 12.0, 40.0, 44.0)


def asset_of(path: Any, name: str | None = None) -> ReleasedAsset:
    """The asset of a file, as ingest would record it."""
    return ReleasedAsset(
        path=name or path.name, sha256=file_digest(path), frame_table_hash=identify(path).frame_table_hash
    )


def released_item(id: str, asset: ReleasedAsset, **changes: Any) -> ReleasedItem:
    """A row with two distractors, answered by three fresh people."""
    values: dict[str, Any] = {
        "id": id,
        "key": f"key-{id}",
        "asset": asset,
        "domain": "surgery",
        "question_type": "direction",
        "question": f"Which way does the bar move, {id}?",
        "answer": "To the left.",
        "distractors": [{"text": "To the right."}, {"text": "Upwards."}],
        "lineage": {
            "submissions": [f"s{id}-1", f"s{id}-2"], "guideline": "g1", "policy": "p1", "num_annotators": 3,
            "agreement": 0.75, "posterior": 0.97, "audited": True,
        },
        "licence": "CC-BY-4.0",
        "author": "annotator-17",
        "ceiling": [
            {"distractor": pair, "right": not (pair == 1 and person == 2), "person": f"annotator-{person + 30}"}
            for pair in range(2) for person in range(3)
        ],
    }  # fmt: skip
    return ReleasedItem.model_validate(values | changes)


def corpus_items(videos: Sequence[CorpusVideo]) -> list[ReleasedItem]:
    """Three rows about each video: all of it, an interval of evidence, and a question about a box."""
    rows = []
    for number, video in enumerate(videos):
        asset, stop = asset_of(video.path), len(video.numbers)
        evidence = {"start": 5, "end": stop - 4}
        boxes = {frame: BOX for frame in range(5, stop - 4) if frame not in (9, 10)}
        rows += [
            released_item(f"{number}.all", asset),
            released_item(f"{number}.part", asset, evidence=evidence, boxes={7: BOX}, boxes_are="evidence"),
            released_item(f"{number}.box", asset, question="What is in the red rectangle?", evidence=evidence,
                          boxes=boxes, boxes_are="question", not_visible=[{"start": 9, "end": 11}]),
        ]  # fmt: skip
    return rows
