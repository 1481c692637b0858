"""workflow.demo: one call makes the whole chain, and what it leaves is whole, readable and consistent."""

import json
import math
import re
from html.parser import HTMLParser

import pytest

from perceptlm.artifact import MANIFEST, list_children, read_manifest, verify
from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import ArtifactError
from perceptlm.exchange.jsonl import read_lines
from perceptlm.media.image import read_image
from perceptlm.media.video import Video
from perceptlm.recipes.demo import smoke
from perceptlm.workflow import demo as workflow
from perceptlm.workflow.demo_stages import WAITING

STAGES = ("warmup", "midtrain", "sft")
BLIND_STAGES = ("midtrain", "sft")
"""The warm-up trains the projector alone: without pixels there is nothing to learn in it."""
ROWS = {"fgqa", "sgqa", "rcap", "rtloc", "rdcap", "image"}
MEMORY_LIMIT_BYTES = 8 * 2**30


@pytest.fixture(scope="module")
def summary(demo):
    return json.loads((demo / "summary.json").read_text(encoding="utf-8"))


def test_every_row_has_a_score_its_interval_and_its_baselines(summary):
    assert set(summary["tasks"]) == ROWS
    for row in summary["tasks"].values():
        assert row["n"] > 0
        assert 0 <= row["ci_low"] <= row["score"] <= row["ci_high"] <= 1
        for baseline in ("blind", "constant", "chance", "oracle"):
            assert 0 <= row[baseline] <= 1
        assert row["oracle"] > 0.99
    assert "not an LLM judge" in summary["judge"]


def test_the_summary_says_where_the_time_and_memory_went(summary):
    steps = {"world", "processor", *STAGES, WAITING, "evaluation", "report"}
    assert set(summary["seconds"]) == {*steps, "total"}
    assert sum(summary["seconds"][step] for step in steps) == pytest.approx(summary["seconds"]["total"], abs=0.1)
    assert set(summary["seconds_beside_without_pixels"]) == set(BLIND_STAGES)
    assert set(summary["seconds_per_step"]) == set(STAGES)
    assert all(seconds > 0 for seconds in summary["seconds_per_step"].values())
    assert 10**8 < summary["peak_memory_bytes"] < MEMORY_LIMIT_BYTES


def test_the_summary_names_every_part_by_its_digest(demo, summary):
    made = ("words", "encoder", "projector", "vision", "sharp_vision", "decoder", "timed_decoder")
    pretrained = {f"parts/{kind}_tiny" for kind in made}
    parts = {"world", "processor", "eval", *pretrained, *STAGES, *(f"blind/{stage}" for stage in BLIND_STAGES)}
    assert set(list_children(demo)) == parts
    assert summary["digests"] == {name: read_manifest(demo / name).digest for name in parts}
    assert read_manifest(demo).children == summary["digests"]


def test_it_verifies_with_everything_it_was_made_from(demo):
    assert verify(demo) == []


class _Loads(HTMLParser):
    """Collects what a page would fetch or run."""

    def __init__(self):
        super().__init__()
        self.found, self.pictures = [], 0

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "iframe", "object", "embed", "link", "base"):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on"):
                self.found.append(f"{tag} {name}")
            if name in ("src", "srcset", "href", "xlink:href", "action", "poster", "data"):
                if (value or "").startswith("data:image/"):
                    self.pictures += 1
                elif not (value or "").startswith("#"):
                    self.found.append(f"{tag} {name}={value}")


def test_the_report_stands_alone(demo):
    text = (demo / "report.html").read_text(encoding="utf-8")
    loads = _Loads()
    loads.feed(text)
    assert loads.found == []
    assert loads.pictures >= len(ROWS) + len(STAGES)
    outside_pictures = re.sub(r"data:image/[^\"']*", "", text)
    assert "@import" not in outside_pictures
    assert not re.search(r"url\((?!#|[\"']?data:)", outside_pictures)


def test_every_record_shows_pictures_of_the_promised_size(demo):
    world = demo / "world"
    seen = set()
    for split in ("train", "validation", "benchmark"):
        for sample in SampleSet.open(world, split).samples:
            media = sample.media[0]
            if media.path in seen:
                continue
            seen.add(media.path)
            if media.kind == "image":
                assert read_image(world / media.path).shape == (media.height, media.width, 3)
                continue
            with Video(world / media.path) as video:
                frames = video.frames(range(video.table.num_frames))
            assert frames.shape == (media.num_frames, media.height, media.width, 3)
    assert len(seen) > 40


@pytest.mark.parametrize("folder", [*STAGES, *(f"blind/{stage}" for stage in BLIND_STAGES)])
def test_every_stage_logs_every_step(demo, folder):
    stage = next(stage for stage in smoke().stages if stage.name == folder.rpartition("/")[2])
    records = [record for _, record in read_lines(demo / folder / "metrics.jsonl")]
    assert [record["step"] for record in records] == list(range(stage.num_steps))
    for record in records:
        assert math.isfinite(record["loss"])
        assert record["per_task"]
        assert set(record["per_task"]) <= set(stage.tasks)
        assert record["num_targets"] > 0
    assert (demo / folder / "loss.svg").stat().st_size > 1000
    assert not (demo / folder / "state").exists()


def test_training_without_pixels_saw_the_same_words(demo):
    for stage in BLIND_STAGES:
        with_pixels, without = (
            [(record["num_targets"], list(record["per_task"])) for _, record in read_lines(folder / "metrics.jsonl")]
            for folder in (demo / stage, demo / "blind" / stage)
        )
        assert with_pixels == without


def test_a_second_call_returns_at_once(demo, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("nothing is left to make")

    for name in (
        "make_world",
        "make_processor",
        "train_with_and_without_pixels",
        "evaluate_local",
        "write_report",
        "write_summary",
    ):
        monkeypatch.setattr(workflow, name, never)
    before = (demo / MANIFEST).stat().st_mtime_ns
    assert workflow.run_demo(demo, smoke(), seed=0) == demo
    assert (demo / MANIFEST).stat().st_mtime_ns == before


def test_another_seed_does_not_replace_it(demo):
    with pytest.raises(ArtifactError, match="another recipe, seed or input"):
        workflow.run_demo(demo, smoke(), seed=1)
    assert (demo / MANIFEST).is_file()
