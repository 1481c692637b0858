"""How well fingerprints tell a clip encoded again from another clip: wrong matches and misses at several distances.

    plm world make --out world --clips 150 --images 0 --benchmark 60 --seed 5
    python benchmarks/look_alikes.py world --clips 160

Every clip is compared with every other (wrong matches), and with itself written anew in other qualities (misses).
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from perceptlm.data.decontamination import difference_hash
from perceptlm.media.sampling import uniform_indices
from perceptlm.media.video import Video
from perceptlm.media.write_video import write_video

QUALITIES = {
    "H.264 at 32": ("h264", 32, None),
    "64 x 64, H.264 at 28": ("h264", 28, 64),
    "H.264 at 40": ("h264", 40, None),
    "MPEG-4 at 12": ("mpeg4", 12, None),
}
DISTANCES = (6, 8, 10, 12, 14, 16)


def hashes(frames: np.ndarray) -> list[int | None]:
    """Return the hash of each of 4 frames."""
    texts = [difference_hash(frames[place]) for place in uniform_indices(len(frames), 4)]
    return [None if text is None else int(text, 16) for text in texts]


def distance(first: list[int | None], other: list[int | None], num_frames: int) -> float:
    """Return the mean number of bits that differ, over frames that both have a hash of."""
    pairs = zip(first[:num_frames], other[:num_frames], strict=True)
    bits = [(a ^ b).bit_count() for a, b in pairs if a is not None and b is not None]
    return sum(bits) / len(bits) if 2 * len(bits) >= num_frames else float("inf")


def encoded_again(frames: np.ndarray, codec: str, quality: int, side: int | None, folder: Path) -> np.ndarray:
    """Return the frames as another encoding shows them."""
    if side is not None:
        frames = np.stack(
            [np.asarray(Image.fromarray(f).resize((side, side), Image.Resampling.BICUBIC)) for f in frames]
        )
    write_video(folder / "again.mp4", frames, 8, codec, quality=quality)
    with Video(folder / "again.mp4") as video:
        return video.frames(range(video.table.num_frames))


def main() -> None:
    """Print wrong matches and misses for 4 frames and for one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=Path)
    parser.add_argument("--clips", type=int, default=160)
    options = parser.parse_args()
    own, again = [], {name: [] for name in QUALITIES}
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(options.world.glob("*/videos/*.mp4"))[: options.clips]:
            with Video(path) as video:
                frames = video.frames(range(video.table.num_frames))
            own.append(hashes(frames))
            for name, (codec, quality, side) in QUALITIES.items():
                again[name].append(hashes(encoded_again(frames, codec, quality, side, Path(folder))))
    for num_frames in (4, 1):
        others = np.array([distance(a, b, num_frames) for a, b in combinations(own, 2)])
        same = {
            name: np.array([distance(a, b, num_frames) for a, b in zip(own, found, strict=True)])
            for name, found in again.items()
        }
        print(f"{len(own)} clips, {num_frames} frame(s) of each, {len(others):,} pairs")
        for limit in DISTANCES:
            missed = ", ".join(f"{name} {int((found > limit).sum())}" for name, found in same.items())
            print(f"  at most {limit:>2} bits: {int((others <= limit).sum())} pairs match; missed: {missed}")


if __name__ == "__main__":
    main()
