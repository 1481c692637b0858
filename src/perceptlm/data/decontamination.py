"""Keep benchmark media out of training: fingerprints of the benchmark's files, and what matches them.

A fingerprint is made once from a benchmark's media: the file's sha256, the source recordings that it comes from, and a
64-bit difference hash (dHash: is each cell of an 8 x 9 grid darker than its right neighbour?) of an image, or of 4
frames spread evenly over a video. Two media look alike if at most `max_distance` of 64 bits differ, in the mean of
their frames. Pictures of next to no contrast have no hash: they would all look alike.

Measured on 160 procedural clips (benchmarks/look_alikes.py; flat backgrounds of 96 x 96, which is hard for it) at the
default of 10: none of 12,720 pairs of different clips matches. Encoded again as H.264 at 32 instead of 20, 1 of 160 is
missed; in plainly poor quality (H.264 at 40, MPEG-4 at 12), 26 and 20. Single pictures are told apart less well: 2
pairs match, and 6 are missed. Not found at any distance: crops, mirror images, videos cut to another span; only their
source tells these. Knows nothing of how media are converted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from perceptlm.config import Config, file_digest
from perceptlm.data.dataset_files import choose_splits, read_located, record_files
from perceptlm.errors import DataError, UsageError
from perceptlm.exchange.jsonl import read_records, write_records
from perceptlm.log import progress
from perceptlm.media.image import read_image
from perceptlm.media.pictures import resolve_media_path
from perceptlm.media.sampling import uniform_indices
from perceptlm.media.video import Video
from perceptlm.schema import Sample

DEFAULT_MAX_DISTANCE = 10.0
_NUM_FRAMES = 4
_LEAST_CONTRAST = 4
"""Grey levels between the darkest and the lightest cell; below, the hash would be of noise."""
_BITS_IN_BYTE = np.array([number.bit_count() for number in range(256)], np.uint8)
_FILES_REMEMBERED = 4096

Kind = Literal["image", "video"]
HashText = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Fingerprint(Config):
    """One media file of a benchmark. `hashes` has an entry per picture looked at: None for one without contrast."""

    name: str = Field(min_length=1, description="what messages call it: its path in the benchmark")
    kind: Kind
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    sources: tuple[str, ...] = Field(default=(), description="its source recordings: `cluster` of the Samples about it")
    hashes: tuple[HashText | None, ...] = Field(min_length=1, max_length=_NUM_FRAMES)


def difference_hash(picture: NDArray[np.uint8]) -> str | None:
    """Return the dHash of a picture (H, W, 3) as 16 hexadecimal digits, or None if it has next to no contrast."""
    grey = Image.fromarray(picture).convert("L").resize((9, 8), Image.Resampling.BOX)
    cells = np.asarray(grey, np.int16)
    if int(cells.max()) - int(cells.min()) < _LEAST_CONTRAST:
        return None
    return np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes().hex()


def fingerprint_file(path: Path, kind: Kind, *, name: str, sources: Iterable[str] = ()) -> Fingerprint:
    """Return the fingerprint of one image or video. Raises MediaError for a file that cannot be read as one."""
    if kind == "image":
        pictures: Iterable[NDArray[np.uint8]] = (read_image(path),)
    else:
        with Video(path) as video:
            pictures = video.frames(uniform_indices(video.table.num_frames, _NUM_FRAMES))
    hashes = tuple(difference_hash(picture) for picture in pictures)
    return Fingerprint(
        name=name, kind=kind, sha256=file_digest(path), sources=tuple(sorted(set(sources))), hashes=hashes
    )


def benchmark_files(root: Path) -> tuple[Path, ...]:
    """Return the record files of a benchmark: those of every split but `train`. UsageError if there is none."""
    found = tuple(path for split, paths in record_files(root).items() if split != "train" for path in paths)
    if not found:
        raise UsageError(f"{root} holds training data only", hint="give the directory of a benchmark")
    return found


def read_benchmark(root: Path) -> Iterator[Sample]:
    """Yield the Samples of `benchmark_files`; DataError naming file and line of one that is none."""
    for path in benchmark_files(root):
        yield from read_records(path, Sample)


def fingerprint_benchmark(samples: Iterable[Sample], media_root: Path) -> list[Fingerprint]:
    """Return a fingerprint for every media file of a benchmark's Samples, in order of first appearance."""
    sources: dict[tuple[str, Kind], set[str]] = {}
    for sample in samples:
        for item in sample.media:
            sources.setdefault((item.path, item.kind), set()).add(sample.cluster)
    found = []
    with progress() as bar:
        task = bar.add_task("fingerprints", total=len(sources))
        for (path, kind), names in sources.items():
            found.append(fingerprint_file(resolve_media_path(media_root, path), kind, name=path, sources=names))
            bar.advance(task)
    return found


def write_fingerprints(path: Path, fingerprints: Iterable[Fingerprint]) -> None:
    """Write fingerprints as JSON lines, atomically."""
    write_records(path, fingerprints)


def read_fingerprints(path: Path) -> list[Fingerprint]:
    """Read what `write_fingerprints` wrote; DataError naming file and line of what is wrong, or if there are none."""
    found = list(read_records(path, Fingerprint))
    if not found:
        raise DataError("holds no fingerprints", path=path, hint="make them from the benchmark again")
    return found


class BenchmarkMedia:
    """What must not be trained on. Asking about many rows of one file decodes it once."""

    def __init__(
        self,
        fingerprints: Sequence[Fingerprint],
        *,
        max_distance: float = DEFAULT_MAX_DISTANCE,
        compare_sources: bool = True,
    ) -> None:
        """`compare_sources` is for datasets whose `cluster` names recordings as the benchmark's does."""
        if not 0 <= max_distance < 32:
            raise UsageError(f"max_distance {max_distance} is not in 0 to 32 of 64 bits")
        self._max_distance = max_distance
        self._sources = {s: item.name for item in fingerprints for s in item.sources} if compare_sources else {}
        self._files = {item.sha256: item.name for item in fingerprints}
        # Only media with as many hashes are compared: place by place, all at once.
        self._alike: dict[tuple[Kind, int], tuple[list[str], NDArray[np.uint8], NDArray[np.bool_]]] = {}
        for key in dict.fromkeys((item.kind, len(item.hashes)) for item in fingerprints):
            chosen = [item for item in fingerprints if (item.kind, len(item.hashes)) == key]
            hashes, known = zip(*(_as_arrays(item.hashes) for item in chosen), strict=True)
            self._alike[key] = ([item.name for item in chosen], np.stack(hashes), np.stack(known))
        self._match_file = lru_cache(_FILES_REMEMBERED)(self._reason)

    def matches(self, sample: Sample, media_root: Path) -> str | None:
        """Return why a Sample must not be trained on, or None. Its media lie under `media_root`.

        Raises MediaError for media that cannot be read.
        """
        if sample.cluster in self._sources:
            return f"its source '{sample.cluster[:80]}' is that of the benchmark's {self._sources[sample.cluster]}"
        for item in sample.media:
            reason = self._match_file(media_root, item.path, item.kind)
            if reason is not None:
                return reason
        return None

    def _reason(self, media_root: Path, name: str, kind: Kind) -> str | None:
        path = resolve_media_path(media_root, name)
        same = self._files.get(file_digest(path))
        if same is not None:
            return f"{name} has the bytes of the benchmark's {same}"
        found = fingerprint_file(path, kind, name=name)
        if (kind, len(found.hashes)) not in self._alike:
            return None
        names, hashes, known = self._alike[kind, len(found.hashes)]
        own, own_known = _as_arrays(found.hashes)
        compared = known & own_known
        num_compared = compared.sum(1)
        bits = (_BITS_IN_BYTE[hashes ^ own].sum(2, dtype=np.int64) * compared).sum(1)
        enough = 2 * num_compared >= len(found.hashes)
        distances = np.where(enough, bits / np.maximum(num_compared, 1), np.inf)
        nearest = int(distances.argmin())
        if distances[nearest] > self._max_distance:
            return None
        return f"{name} looks like the benchmark's {names[nearest]} ({distances[nearest]:.1f} of 64 bits differ)"


@dataclass(frozen=True)
class Match:
    """A record that must not be trained on: where it stands, as `SPLIT/FILE:LINE`, its id, and why."""

    place: str
    id: str
    reason: str


def find_contaminated(
    root: Path, media_root: Path, benchmark: BenchmarkMedia, *, each: Callable[[], object] = lambda: None
) -> Iterator[Match]:
    """Yield every record of a dataset's `train` split that must not be trained on, in order; call `each` per record.

    Raises UsageError if it has no such split, DataError for a record that is no Sample, MediaError for media that
    cannot be read.
    """
    for record in read_located(root, choose_splits(root, ("train",))):
        if isinstance(record.found, DataError):
            raise record.found
        reason = benchmark.matches(record.found, media_root)
        if reason is not None:
            yield Match(record.place, record.found.id, reason)
        each()


def _as_arrays(hashes: Sequence[str | None]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the bytes of hashes (n, 8), and which of them there are (n,)."""
    values = np.frombuffer(b"".join(bytes.fromhex(text or "00" * 8) for text in hashes), np.uint8).reshape(-1, 8)
    return values, np.array([text is not None for text in hashes])
