"""Video: the pictures of a file by frame index, with their exact times.

A frame index is the 0-based ordinal of the decoded picture. Times come from one pass over the packets where that is
exact, else from decoding once; pictures are then decoded straight through or by jumping to keyframes, whichever is
cheaper, with equal results. Non-square pixels are left as stored. Knows no samples and no sampling rule.

Damage: a file that ends earlier than it announces is refused on opening; a picture that does not decode is
refused, by its number, when it or one after it on the way is asked for. With `allow_partial=True` every picture is
decoded on opening, those that fail are left out and the rest numbered on; `num_damaged` counts the failures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from perceptlm.errors import MediaError
from perceptlm.media.colour import to_rgb
from perceptlm.media.container import OpenVideo, ffmpeg_errors, open_container
from perceptlm.media.decoding import damaged_picture, decode_times, decoded_pictures
from perceptlm.media.frame_table import FrameTable
from perceptlm.media.limits import DEFAULT_LIMITS, MediaLimits
from perceptlm.media.orientation import Orientation, orientation_of
from perceptlm.media.packet_index import PacketIndex, read_packet_index
from perceptlm.media.read_plan import Run, Strategy, plan_runs
from perceptlm.media.write_video import VideoCodec as VideoCodec
from perceptlm.media.write_video import write_video as write_video


class Video:
    """A video file, opened for its frame table and for reading pictures by frame index.

    Raises MediaError, naming the file, for anything that is not a usable video (see the module's text on damage)
    and for files beyond `limits`. Holds no open file between calls.
    """

    def __init__(self, path: Path, *, limits: MediaLimits = DEFAULT_LIMITS, allow_partial: bool = False) -> None:
        self.path = path
        self.num_damaged = 0
        self._limits = limits
        self._allow_partial = allow_partial
        self._timestamps: tuple[int, ...] | None = None  # where packets tell the pictures exactly
        self._keyframes: tuple[int, ...] = (0,)
        index = None if allow_partial else self._read_packet_index()
        if index is not None and index.is_exact:
            self._timestamps, self._keyframes = index.timestamps, index.keyframes
            self.table = self._table_from_packets(index)
        else:
            self.table = self._table_from_decoding()

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open; the context only marks how long the video is used."""

    def frames(self, indices: Sequence[int], *, strategy: Strategy = "cheapest") -> NDArray[np.uint8]:
        """Return the pictures with these frame indices as (n, H, W, 3) RGB, upright, in the order asked.

        Indices may repeat and come in any order. `strategy` changes the cost, never the pictures. Raises MediaError
        for an index that the video does not have and for pictures that do not decode.
        """
        table = self.table
        for index in indices:
            if not 0 <= index < table.num_frames:
                raise MediaError(f"has no picture {index}, only 0 to {table.num_frames - 1}", path=self.path)
        self._limits.check_read(self.path, len(indices), table.width, table.height)
        slots: dict[int, list[int]] = {}
        for slot, index in enumerate(indices):
            slots.setdefault(index, []).append(slot)
        pictures = np.empty((len(indices), table.height, table.width, 3), np.uint8)
        if slots:
            for index, picture in self._read(plan_runs(sorted(slots), self._keyframes, strategy)):
                pictures[slots[index]] = picture
        return pictures

    def in_order(self) -> Iterator[NDArray[np.uint8]]:
        """Yield every picture once, (H, W, 3) RGB, upright, in order; one at a time in memory.

        Raises MediaError for a picture that does not decode, or one that the table has and the file does not.
        """
        for _, picture in self._read([Run(0, tuple(range(self.table.num_frames)))]):
            yield picture

    @property
    def is_indexed(self) -> bool:
        """Whether the packets alone tell the pictures: none is dropped by an edit list, hidden or packed with others.

        Where it is false, other readers may count and number the pictures differently.
        """
        return self._timestamps is not None

    @property
    def orientation(self) -> Orientation:
        """How stored pictures are turned and mirrored to be shown."""
        return self._orientation

    def _read(self, runs: Sequence[Run]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        with open_container(self.path, self._limits) as opened:
            for number, run in enumerate(runs):
                if run.start == 0:
                    yield from self._read_run(opened, run)
                    continue
                try:
                    found = list(self._read_run(opened, run))
                except MediaError:
                    # Some keyframes cannot be started from (intra refresh, AVI without an index): read straight on.
                    self._keyframes = (0,)
                    remaining = tuple(index for later in runs[number:] for index in later.wanted)
                    with open_container(self.path, self._limits) as again:
                        yield from self._read_run(again, Run(0, remaining))
                    return
                yield from found

    def _read_run(self, opened: OpenVideo, run: Run) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        reformatter = VideoReformatter()
        wanted = list(reversed(run.wanted))
        with ffmpeg_errors(self.path, "cannot be decoded"):
            if run.start and self._timestamps is not None:
                opened.container.seek(self._timestamps[run.start], stream=opened.stream)
            for ordinal, frame in self._numbered(opened, run.start):
                if ordinal == wanted[-1]:
                    yield wanted.pop(), self._upright_rgb(frame, ordinal, reformatter)
                    if not wanted:
                        return
        raise damaged_picture(opened, wanted[-1], "the file ends before it")

    def _numbered(self, opened: OpenVideo, start: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield decoded pictures with their ordinals, checking each against the packets' timestamps."""
        ordinal = start

        def on_damage(reason: str) -> None:
            if not self._allow_partial:
                raise damaged_picture(opened, ordinal, reason)

        expected = self._timestamps
        for frame in decoded_pictures(opened, on_damage):
            if expected is not None:
                if start and frame.pts is not None and frame.pts < expected[start]:
                    continue  # a jump may land before its keyframe
                if ordinal >= len(expected) or frame.pts != expected[ordinal]:
                    raise damaged_picture(opened, ordinal, "the decoder leaves it out")
                if start == ordinal != 0 and not frame.key_frame:
                    raise damaged_picture(opened, ordinal, "it is no keyframe")
            yield ordinal, frame
            ordinal += 1

    def _upright_rgb(self, frame: av.VideoFrame, ordinal: int, reformatter: VideoReformatter) -> NDArray[np.uint8]:
        if self._orientation.size(frame.width, frame.height) != (self.table.width, self.table.height):
            raise MediaError(
                f"picture {ordinal} is {frame.width}x{frame.height}, unlike the first; size changes are not read",
                path=self.path,
            )
        return self._orientation.apply(to_rgb(frame, reformatter))

    def _read_packet_index(self) -> PacketIndex:
        with (
            open_container(self.path, self._limits) as opened,
            ffmpeg_errors(self.path, "cannot be read to its end"),
        ):
            index = read_packet_index(opened, self._limits)
        if index.missing_seconds:
            raise MediaError(
                f"ends {float(index.missing_seconds):.2f} s earlier than it announces, after {len(index.timestamps)} "
                "pictures",
                path=self.path,
                hint="the file is truncated; get a whole copy, or open it allowing partial reading",
            )
        return index

    def _table_from_packets(self, index: PacketIndex) -> FrameTable:
        times = tuple(timestamp * index.time_base for timestamp in index.timestamps)
        return self._table(times, index.last_duration_seconds, index.first_picture)

    def _table_from_decoding(self) -> FrameTable:
        with open_container(self.path, self._limits) as opened, ffmpeg_errors(self.path, "cannot be decoded"):
            decoded = decode_times(opened, self._limits, allow_damage=self._allow_partial)
        self.num_damaged = decoded.num_damaged
        return self._table(decoded.times, decoded.last_duration_seconds, decoded.first_picture)

    def _table(self, times: tuple[Fraction, ...], last_duration: Fraction, first: av.VideoFrame) -> FrameTable:
        self._limits.check_picture(self.path, first.width, first.height)
        try:
            self._orientation = orientation_of(first)
        except ValueError as error:
            raise MediaError(f"its display matrix cannot be followed: {error}", path=self.path) from error
        width, height = self._orientation.size(first.width, first.height)
        return FrameTable(times, width, height, max(times) - min(times) + last_duration)


def read_frames(
    path: Path, indices: Sequence[int], *, limits: MediaLimits = DEFAULT_LIMITS, allow_partial: bool = False
) -> NDArray[np.uint8]:
    """Open `path` and return its pictures `indices` as (n, H, W, 3) RGB; see `Video`."""
    return Video(path, limits=limits, allow_partial=allow_partial).frames(indices)
