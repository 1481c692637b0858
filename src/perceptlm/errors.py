"""The one tree of errors a person can meet, each with a hint on what to do next.

Code raises these for anything a user can cause or mend: a bad file, a bad field, a full disk, a server that
does not answer. The command line prints `error: MESSAGE` and `hint: HINT` and exits with `exit_code`; a
traceback appears only with `--debug`. This module knows nothing of the rest of the package.
"""

from __future__ import annotations

from pathlib import Path


class PerceptLMError(Exception):
    """Base of every expected error. `message` is one sentence; `hint` says what to do."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PerceptLMError):
    """A command was called with arguments that cannot work together."""

    exit_code = 2


class ConfigError(PerceptLMError):
    """A recipe or configuration is wrong; the message names the key."""


class DataError(PerceptLMError):
    """A record or data file is wrong; the message starts with `file:line` where they are known."""

    def __init__(
        self,
        message: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        place = "" if path is None else f"{path}:{line}: " if line is not None else f"{path}: "
        super().__init__(place + message, hint=hint)
        self.path = path
        self.line = line


class MediaError(DataError):
    """An image or video cannot be read; the message names the file."""


class ArtifactError(PerceptLMError):
    """A published directory is missing, altered, or stands in the way."""


class LayoutError(PerceptLMError):
    """Placeholders and vision tokens disagree; the message names the sample and both counts."""


class WeightsError(PerceptLMError):
    """A tensor is missing, extra, or has the wrong shape; the message names it."""


class ClientError(PerceptLMError):
    """A model could not be reached or answered something unusable."""


class StorageError(PerceptLMError):
    """The disk is full or a path cannot be written."""


class TrainingError(PerceptLMError):
    """Training cannot go on: a loss that is not finite, a checkpoint that does not fit."""
