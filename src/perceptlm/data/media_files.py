"""Whether the media files that records name are there, inside the dataset's directory. Decodes nothing."""

from __future__ import annotations

import os
from pathlib import Path

from perceptlm.media.pictures import resolve_media_path


class MediaFiles:
    """The files under `root`: a folder is listed once, instead of asking for each file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._names: dict[str, set[str]] = {}

    def check(self, relative: str) -> None:
        """Raise MediaError if the file is missing or leads outside `root`, links followed."""
        folder, _, name = relative.rpartition("/")
        if folder not in self._names:
            self._names[folder] = _plain_files(self.root, folder)
        if name not in self._names[folder]:
            resolve_media_path(self.root, relative)


def _plain_files(root: Path, folder: str) -> set[str]:
    """Return the names of the regular files, not links, in `folder`; none if it is missing or outside `root`."""
    try:
        place = (root / folder).resolve()
        if not place.is_relative_to(root.resolve()):
            return set()
        with os.scandir(place) as entries:
            return {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return set()
