"""The checks every media file passes before a decoder sees it: is it there, is it a file, is anything in it?"""

from __future__ import annotations

from pathlib import Path

from perceptlm.errors import MediaError


def check_readable_file(path: Path) -> None:
    """Raise MediaError naming `path` unless it is a file with bytes in it that may be read."""
    try:
        if path.is_dir():
            raise MediaError("is a directory, not a media file", path=path)
        if not path.is_file():
            raise MediaError("there is no such file" if not path.exists() else "is not a regular file", path=path)
        with path.open("rb") as file:
            if not file.read(1):
                raise MediaError("is empty (0 bytes)", path=path)
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        raise MediaError(f"cannot be read: {one_line(error)}", path=path) from error


def one_line(error: BaseException) -> str:
    """Return what an exception says, on one line; its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
