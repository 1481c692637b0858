"""A prepared pack is whole, the same every time, and is itself a pack."""

import json

import pytest
from annotation_pack import SCENE, small_pack

from perceptlm.annotate.packs.load import load_pack
from perceptlm.annotate.packs.pack import Drawing
from perceptlm.annotate.packs.prepare import prepare_pack
from perceptlm.annotate.packs.scenes import SceneRecipe, truth_of
from perceptlm.errors import StorageError
from perceptlm.media.image import read_image, write_png
from perceptlm.world.clip_record import ClipRecord


def test_a_pack_is_prepared_with_its_clips_drawn(tmp_path):
    small_pack(tmp_path / "small")
    (tmp_path / "small" / "media").mkdir()
    write_png(tmp_path / "small" / "media" / "still.png", read_image(tmp_path / "small/pictures/frame.png"))
    pack = load_pack(tmp_path / "small")
    made = prepare_pack(pack, tmp_path / "pack")
    clip, still = made.assets
    assert (clip.name, clip.kind, clip.num_frames, clip.width, clip.height) == ("media/clip.mp4", "video", 24, 64, 64)
    assert (still.name, still.kind, still.num_frames, still.width) == ("media/still.png", "image", 1, 8)
    assert still.record is None
    assert clip.record == truth_of(pack.scenes[0], pack.file.drawing), "truth does not depend on pixels being drawn"
    line = json.loads((tmp_path / "pack" / "truth.jsonl").read_text())
    assert ClipRecord.model_validate(line) == clip.record
    assert "<h1>How to</h1>" in made.guideline_html
    assert made.pictures["frame.png"].is_file()
    assert made.asset("media/clip.mp4") is clip
    again = load_pack(tmp_path / "pack")
    assert (again.items, again.gold, again.calibration) == (pack.items, pack.gold, pack.calibration)
    assert again.scenes == ()
    other = prepare_pack(pack, tmp_path / "other")
    assert (other.digest, [asset.sha256 for asset in other.assets]) == (
        made.digest,
        [asset.sha256 for asset in made.assets],
    )


def test_what_is_there_is_not_touched_and_what_a_kill_left_is_replaced(tmp_path):
    pack = load_pack(small_pack(tmp_path / "small"))
    (tmp_path / "pack").mkdir()
    with pytest.raises(StorageError, match="is there already"):
        prepare_pack(pack, tmp_path / "pack")
    (tmp_path / "new.partial" / "media").mkdir(parents=True)
    (tmp_path / "new.partial" / "leftover").write_text("x")
    prepare_pack(pack, tmp_path / "new")
    assert not (tmp_path / "new" / "leftover").exists()
    assert not (tmp_path / "new.partial").exists()


def test_truth_begins_with_the_first_frame_that_shows(tmp_path):
    root = small_pack(tmp_path / "small")
    gone = {"thing": "key", "action": "enter", "direction": "left", "start": 16, "end": 24}
    scene = {**SCENE, "things": SCENE["things"][:1], "events": [gone]}
    (root / "scenes.jsonl").write_text(json.dumps(scene) + "\n")
    made = prepare_pack(load_pack(root), tmp_path / "pack")
    shown = made.assets[0].record.boxes[0]
    assert min(shown) >= 16, "nothing shows before it enters"


def test_recipes_become_scenes_with_inclusive_ends():
    recipe = SceneRecipe.model_validate(SCENE)
    scene = recipe.scene(Drawing())
    assert (scene.events[0].start_frame, scene.events[0].end_frame) == (4, 15)
    assert scene.things[1].kind == "drum"
