"""Write what the demonstration packs hold besides pack.yaml and guideline.md: `tools/make_demo_packs.py [OUT]`.

Scenes, items, gold and calibration come from cases whose answers are known because the world draws them; a test makes
them again and compares. The guidelines' pictures are frames of the same clips (not compared: PNG files differ between
versions of zlib).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import demo_pack_inspection
import demo_pack_surgery
import numpy as np
from demo_pack_parts import Case, checks_of, work_of
from numpy.typing import NDArray
from PIL import Image

from perceptlm.annotate.packs.load import SHIPPED
from perceptlm.annotate.packs.pack import Drawing
from perceptlm.annotate.packs.scenes import draw_scene
from perceptlm.exchange.jsonl import write_records
from perceptlm.media.overlay import draw_boxes
from perceptlm.media.video import read_frames

NUM_WORK, NUM_CALIBRATION = 10, 3
NUM_ASKED = 4
"""Questions of a case that are work; the others are gold."""
RIGHT, WRONG, PLAIN = (20, 140, 60), (200, 30, 40), (150, 150, 150)
DRAWING = Drawing()
MAKERS = {"surgery-demo": demo_pack_surgery, "inspection-demo": demo_pack_inspection}


def main(arguments: Sequence[str]) -> int:
    """Write both packs below OUT (default: where they ship from)."""
    root = Path(arguments[0]) if arguments else SHIPPED
    for name, maker in MAKERS.items():
        (root / name / "pictures").mkdir(parents=True, exist_ok=True)
        cases = write_lines(root / name, maker.case, maker.WHY)
        write_pictures(root / name / "pictures", name, cases)
        print(f"wrote {root / name}")
    return 0


def write_lines(root: Path, make: Callable[[int, Drawing], Case], why: dict[int, str]) -> list[Case]:
    """Write the four files of lines; return the cases."""
    cases = [make(number, DRAWING) for number in range(NUM_WORK + NUM_CALIBRATION)]
    items, gold, calibration = [], [], []
    for number, case in enumerate(cases):
        turn = number % len(case.asked)
        turned = [*case.asked[turn:], *case.asked[:turn]]
        if number < NUM_WORK:
            work, rest = turned[:NUM_ASKED], turned[NUM_ASKED:]
            items += work_of(case, work, 5 * number)
            bad = [number // 2 % len(case.invalid)] if number % 2 == 0 else []
            gold += checks_of(case, rest[:2], number, NUM_ASKED + 1, why, bad)
        else:
            calibration += checks_of(case, turned, number, 1, why, range(len(case.invalid)))
    write_records(root / "scenes.jsonl", [_short(case.recipe.to_dict()) for case in cases])
    write_records(root / "items.jsonl", items)
    write_records(root / "gold.jsonl", gold)
    write_records(root / "calibration.jsonl", calibration)
    return cases


def _short(values: dict[str, object]) -> dict[str, object]:
    """Leave out what is not said."""
    return {
        name: [_short(item) for item in value] if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }


def write_pictures(folder: Path, name: str, cases: Sequence[Case]) -> None:
    """Write the guideline's pictures: evidence that is right, too wide and too narrow; boxes; the steps."""
    case = cases[-1]
    span = case.spans["counted"] if name == "surgery-demo" else case.spans["fault"]
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "media").mkdir()
        draw_scene(case.recipe, DRAWING, root)
        num_frames = case.recipe.num_frames
        frames = read_frames(root / case.recipe.media_path, range(num_frames))
    start, end = span
    shown = [round(place) for place in np.linspace(max(start - 10, 0), min(end + 9, num_frames - 1), 6)]
    _save(folder / "evidence-right.png", _strip(frames, shown, start, end, RIGHT))
    _save(folder / "evidence-too-wide.png", _strip(frames, shown, 0, num_frames, WRONG))
    middle = (start + end) // 2
    _save(folder / "evidence-too-narrow.png", _strip(frames, shown, middle, middle + 1, WRONG))
    thing = 0 if name == "surgery-demo" else next(e.subject for e in case.record.scene.events if e.start_frame == start)
    box = case.record.boxes[thing][middle]
    loose = (max(box[0] - 22, 0), max(box[1] - 18, 0), min(box[2] + 14, 255), min(box[3] + 26, 191))
    cut = (box[0] + 12, box[1] + 4, box[2] + 6, box[3] - 8)
    pictures = []
    for edges, colour in ((box, RIGHT), (loose, WRONG), (cut, WRONG)):
        picture = frames[middle].copy()
        draw_boxes(picture, [(edges, colour)], width=3)
        pictures.append(_framed(picture, colour))
    _save(folder / "boxes.png", np.concatenate(pictures, axis=1))
    if name == "surgery-demo":
        work, after = case.spans["work"], case.spans["counted"][0]
        moments = [work[0], (work[0] + work[1]) // 2, work[1], after - 3]
        _save(folder / "steps.png", np.concatenate([_framed(frames[t], PLAIN) for t in moments], axis=1))
    else:
        moments = [case.spans["part-1"][0] + 6, start - 2, middle, end]
        _save(folder / "steps.png", np.concatenate([_framed(frames[t], PLAIN) for t in moments], axis=1))


def _strip(
    frames: NDArray[np.uint8], shown: Sequence[int], start: int, end: int, colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    return np.concatenate([_framed(frames[t], colour if start <= t < end else PLAIN, thick=8) for t in shown], axis=1)


def _framed(picture: NDArray[np.uint8], colour: tuple[int, int, int], *, thick: int = 4) -> NDArray[np.uint8]:
    framed = picture.copy()
    for edge in (framed[:thick], framed[-thick:], framed[:, :thick], framed[:, -thick:]):
        edge[...] = colour
    return framed


def _save(path: Path, picture: NDArray[np.uint8]) -> None:
    """Save small: half the size, few colours."""
    image = Image.fromarray(picture)
    image = image.resize((image.width * 5 // 8, image.height * 5 // 8), Image.Resampling.LANCZOS)
    image.quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
