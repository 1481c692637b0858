"""Writers of small datasets whose media are files of no content: nothing here decodes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from perceptlm.exchange.jsonl import encode_line, write_records
from perceptlm.schema import BoxTrack, MediaRef, Origin, Sample, TextAnswer, Turn


@pytest.fixture
def make_sample() -> Callable[..., Sample]:
    def make(
        id: str, task: str = "video_qa", *, clip: int = 0, boxed: bool = False, system: str | None = None
    ) -> Sample:
        turns = (Turn(role="user", text="q"), Turn(role="assistant", text="a"))
        return Sample(
            id=id,
            task=task,  # type: ignore[arg-type]
            split="train",
            media=(MediaRef(kind="video", path=f"train/videos/{clip}.mp4", width=8, height=8, num_frames=4),),
            turns=turns if system is None else (Turn(role="system", text=system), *turns),
            answer=TextAnswer(text="a"),
            origin=Origin(kind="program", name="test", revision="1", licence="CC0-1.0"),
            cluster=str(clip),
            template="t",
            dimension="what",
            regions=(BoxTrack(subject="it", boxes={1: (0, 0, 4, 4)}),) if boxed else (),
        )

    return make


@pytest.fixture
def write_split(tmp_path: Path) -> Callable[..., Path]:
    """Write `train/samples.jsonl` and an (empty) file for every clip; return the root."""

    def write(samples: list[Sample]) -> Path:
        (tmp_path / "train/videos").mkdir(parents=True, exist_ok=True)
        for sample in samples:
            (tmp_path / sample.media[0].path).touch()
        write_records(tmp_path / "train/samples.jsonl", samples)
        return tmp_path

    return write


@pytest.fixture
def write_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Write `SPLIT/samples.jsonl` for every split given, and a file of its own bytes for every clip named."""

    def write(**splits: list[Sample | bytes]) -> Path:
        root = tmp_path / "dataset"
        for split, records in splits.items():
            (root / split).mkdir(parents=True, exist_ok=True)
            lines = [record if isinstance(record, bytes) else encode_line(record) for record in records]
            (root / split / "samples.jsonl").write_bytes(b"".join(lines))
            for sample in (record for record in records if isinstance(record, Sample)):
                for item in sample.media:
                    (root / item.path).parent.mkdir(parents=True, exist_ok=True)
                    (root / item.path).write_text(item.path)
        return root

    return write
