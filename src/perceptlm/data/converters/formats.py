"""Every format that can be converted: its converter, who wrote its texts, and what must be said to convert it.

Origins: facts/paper.md sections 3 (which models), 5 (people) and 8 (licences). Reads no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from perceptlm.data.converters.captions import CaptionTask, RegionCaptions
from perceptlm.data.converters.context import Clips, Context, Converter
from perceptlm.data.converters.conversations import Conversations
from perceptlm.data.converters.image_auto import ImageAuto, ImageSet
from perceptlm.data.converters.image_benchmarks import (
    ImageBenchmark,
    ReadRow,
    read_chartqa,
    read_coco_captions,
    read_docvqa,
    read_pope,
    read_refcoco,
    read_textvqa,
    read_vqav2,
)
from perceptlm.data.converters.image_tables import (
    OpenTables,
    open_charts,
    open_coco_captions,
    open_data,
    open_pope,
    open_rows,
    open_vqav2,
)
from perceptlm.data.converters.questions import BenchFgqa, BenchSgqa, HumanFgqa
from perceptlm.data.converters.referring_tables import open_expressions
from perceptlm.data.converters.regions import CHOICES, NO_REGIONS
from perceptlm.data.converters.rows import check_pattern
from perceptlm.data.converters.settings import ConvertSettings, Regions, Sources
from perceptlm.data.converters.video_auto import VideoAuto, VideoSet
from perceptlm.errors import UsageError
from perceptlm.schema import BENCHMARK_TASKS, Origin, Split, Task

SAMPLES_PER_SHARD = 1_000_000
Owner = tuple[Literal["person", "model"], str, str | None, str]
"""Kind, name, revision (None: the digest of the files read) and licence of who wrote the texts."""

_HUMAN: Owner = ("person", "PLM-Video-Human annotators", None, "LicenseRef-PLM-Video-Human")
_BENCH: Owner = ("person", "PLM-VideoBench annotators", None, "CC-BY-4.0")
# The release's version: which commit of the weights was used is not published (arXiv:2504.13180v3).
_CAPTIONER: Owner = ("model", "Llama-3.2-90B-Vision-Instruct", "3.2", "LicenseRef-Llama-3.2")
_WRITER: Owner = ("model", "Llama-3.3-70B-Instruct", "3.3", "LicenseRef-Llama-3.2")
_EGO_WRITER: Owner = ("model", "Llama-3.1-405B-Instruct", "3.1", "LicenseRef-Llama-3.2")
_PAGES = ("ucsf", "pdfacc", "arxivqa")


@dataclass(frozen=True)
class Format:
    """One kind of file. `owner` is None where only the user can know it; `splits` begin with the usual one."""

    help: str
    make: Callable[[Context], Converter]
    owner: Owner | None
    splits: tuple[Split, ...] = ("train", "validation")
    video_path: str = "{video}"
    clips: Clips = "cut"
    task: CaptionTask | None = None
    takes_columns: bool = False
    tables: OpenTables = open_rows


def _formats() -> dict[str, Format]:
    found = {
        "human-fgqa": Format(
            "PLM-Video-Human, open questions about clips", HumanFgqa, _HUMAN,
            video_path="{source_dataset}/{source_video_id}.mp4", clips="source",
        ),
        "bench-fgqa": Format("PLM-VideoBench, questions with two options", BenchFgqa, _BENCH, ("benchmark",)),
        "bench-sgqa": Format("PLM-VideoBench, smart glasses", BenchSgqa, _BENCH, ("benchmark",)),
    }  # fmt: skip
    tasks: tuple[CaptionTask, ...] = get_args(CaptionTask)
    for task in tasks:
        make: Callable[[Context], Converter] = partial(RegionCaptions, task=task)
        found[f"human-{task}"] = Format(f"PLM-Video-Human, {task}", make, _HUMAN, task=task)
        found[f"bench-{task}"] = Format(f"PLM-VideoBench, {task}", make, _BENCH, ("benchmark", "validation"), task=task)
    image_sets: tuple[ImageSet, ...] = get_args(ImageSet)
    for image_set in image_sets:
        owner = _WRITER if image_set in _PAGES else _CAPTIONER
        found[f"image-auto-{image_set}"] = Format(
            f"PLM-Image-Auto, {image_set}", partial(ImageAuto, image_set=image_set), owner, video_path="{image}"
        )
    video_sets: tuple[VideoSet, ...] = get_args(VideoSet)
    for video_set in video_sets:
        found[f"video-auto-{video_set}"] = Format(
            f"PLM-Video-Auto, {video_set}", partial(VideoAuto, video_set=video_set),
            _EGO_WRITER if video_set.startswith("ego4d") else _WRITER, clips="source", takes_columns=True,
        )  # fmt: skip
    found["llava"] = Format("LLaVA's JSON or JSONL, roles human and gpt", Conversations, None)
    found["reference"] = Format("the training JSONL of the public PLM code", Conversations, None)
    return found


def _image_benchmarks() -> dict[str, Format]:
    """Return the image benchmarks; `--media` is where their pictures lie, in folders as they are unpacked."""

    def benchmark(
        help: str, name: str, read: ReadRow, task: Task, owner: tuple[str, str], video_path: str, tables: OpenTables
    ) -> Format:
        make: Callable[[Context], Converter] = partial(ImageBenchmark, benchmark=name, read=read, task=task)
        person: Owner = ("person", owner[0], None, owner[1])
        return Format(help, make, person, ("benchmark", "validation", "train"), video_path, tables=tables)

    return {
        "docvqa": benchmark(
            "DocVQA, the JSON of its page", "docvqa", read_docvqa, "text_reading",
            ("DocVQA annotators", "LicenseRef-DocVQA"), "{image}", open_data,
        ),
        "chartqa": benchmark(
            "ChartQA, test_human.json and test_augmented.json", "chartqa", read_chartqa, "image_qa",
            ("ChartQA annotators", "LicenseRef-ChartQA"), "png/{imgname}", open_charts,
        ),
        "textvqa": benchmark(
            "TextVQA, TextVQA_0.5.1_val.json", "textvqa", read_textvqa, "text_reading",
            ("TextVQA annotators", "CC-BY-4.0"), "{image_id}.jpg", open_data,
        ),
        "vqav2": benchmark(
            "VQAv2, questions and annotations", "vqav2", read_vqav2, "image_qa",
            ("VQAv2 annotators", "CC-BY-4.0"), "{image}", open_vqav2,
        ),
        "pope": benchmark(
            "POPE, coco_pope_random.json and its like", "pope", read_pope, "image_qa",
            ("POPE authors", "MIT"), "{image}", open_pope,
        ),
        "refcoco": benchmark(
            "RefCOCO, RefCOCO+ or RefCOCOg, in one of four JSON forms", "refcoco", read_refcoco, "grounding",
            ("RefCOCO annotators", "LicenseRef-RefCOCO"), "{image}", open_expressions,
        ),
        "coco-captions": benchmark(
            "COCO captions, captions_val2014.json or Karpathy's rows", "coco_captions", read_coco_captions,
            "image_caption", ("COCO annotators", "CC-BY-4.0"), "{file_name}", open_coco_captions,
        ),
    }  # fmt: skip


FORMATS: Mapping[str, Format] = _formats() | _image_benchmarks()


def settings_for(
    name: str,
    sources: Sources,
    *,
    split: Split | None = None,
    origin: str | None = None,
    video_path: str | None = None,
    clips: Clips | None = None,
    task: Task | None = None,
    no_regions: bool = False,
    columns: Mapping[str, str] | None = None,
    samples_per_shard: int = SAMPLES_PER_SHARD,
) -> ConvertSettings:
    """Return complete settings; UsageError for an unknown format, or for what is missing or means nothing for it.

    `origin` is `kind:name:revision:licence`.
    """
    if name not in FORMATS:
        raise UsageError(f"there is no format '{name}'", hint=f"formats: {', '.join(FORMATS)}")
    found = FORMATS[name]
    if split is not None and split not in found.splits:
        raise UsageError(
            f"format {name} is not converted into the split '{split}'", hint=f"splits: {', '.join(found.splits)}"
        )
    if columns and not found.takes_columns:
        raise UsageError(f"the columns of format {name} are known; --column is for video-auto")
    if task is not None and (found.owner == _HUMAN or "benchmark" in found.splits or task in BENCHMARK_TASKS):
        raise UsageError(f"format {name} cannot be converted to the task '{task}'")
    check_pattern(video_path or found.video_path)
    return ConvertSettings(
        format=name,
        split=split or found.splits[0],
        origin=_origin(name, found, origin),
        video_path=video_path or found.video_path,
        clips=clips or found.clips,
        task=task,
        regions=_regions(name, found, split or found.splits[0], sources, no_regions),
        columns=dict(columns or {}),
        samples_per_shard=samples_per_shard,
    )


def origin_of(settings: ConvertSettings, digest: str) -> Origin:
    """Return the origin of every Sample; `digest` is that of the files read."""
    owner = FORMATS[settings.format].owner
    if settings.origin is not None or owner is None:
        if settings.origin is None:
            raise UsageError(f"format {settings.format} needs an origin")
        return settings.origin
    kind, name, revision, licence = owner
    return Origin(kind=kind, name=name, revision=revision or f"sha256:{digest}", licence=licence)


def _origin(name: str, found: Format, text: str | None) -> Origin | None:
    if found.owner is not None:
        if text is not None:
            raise UsageError(f"who wrote format {name} is known: leave --origin out")
        return None
    hint = "write --origin kind:name:revision:licence, such as person:DOCCI:v1:CC-BY-4.0; kinds: program, person, model"
    if text is None:
        raise UsageError(f"format {name} does not say who wrote its texts, and nothing is used without", hint=hint)
    parts = text.split(":")
    if len(parts) != 4 or not all(part.strip() for part in parts) or parts[0] not in ("program", "person", "model"):
        raise UsageError(f"'{text[:80]}' is not an origin", hint=hint)
    kind, who, revision, licence = parts
    return Origin.model_validate({"kind": kind, "name": who, "revision": revision, "licence": licence})


def _regions(name: str, found: Format, split: Split, sources: Sources, no_regions: bool) -> Regions | None:
    given: list[Regions] = ["none"] if no_regions else []
    given += ["file"] if sources.boxes is not None else []
    given += ["masklets"] if sources.masklets is not None else []
    if found.task is None:
        if given:
            raise UsageError(f"format {name} has no regions: leave --regions out")
        return None
    if len(given) > 1:
        raise UsageError("regions come from one place only", hint=CHOICES)
    if split == "benchmark" and given != ["file"]:
        raise UsageError(
            f"format {name} needs the boxes of its test rows",
            hint="give --regions PLM-VideoBench/metadata/metadata_test.jsonl",
        )
    if not given:
        raise UsageError(NO_REGIONS, hint=CHOICES)
    return given[0]
