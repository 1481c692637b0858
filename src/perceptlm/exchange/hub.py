"""Model directories by name: one on this machine, or a repository of the Hugging Face hub, fetched once and kept.

Only what a model directory holds is fetched: configuration, tokenizer, processor and safetensors, never a pickle. Knows
nothing of models.
"""

from __future__ import annotations

import re
from pathlib import Path

from perceptlm.errors import ClientError

_WEIGHTS = ".safetensors"
_FETCHED = ("*.json", "*.jinja", f"model*{_WEIGHTS}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def model_directory(path_or_hub_id: Path | str, *, weights: bool = True) -> Path:
    """Return the directory of a model: the path itself, or where the hub's repository OWNER/NAME was put, perhaps
    without its weights.

    What exists here is never looked for on the hub, and neither is a `Path`. `OWNER/NAME@REVISION` names a branch, tag
    or commit. Raises ClientError if the repository cannot be fetched and is not here.
    """
    path = Path(path_or_hub_id)
    name, _, revision = str(path_or_hub_id).partition("@")
    if isinstance(path_or_hub_id, Path) or path.exists() or not _HUB_ID.fullmatch(name):
        return path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        wanted = [pattern for pattern in _FETCHED if weights or not pattern.endswith(_WEIGHTS)]
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=wanted))
    except RepositoryNotFoundError as error:
        raise ClientError(
            f"{path_or_hub_id}: neither a directory here nor a repository of the hub that you may read",
            hint="check the name; for a repository behind a licence, accept it there and run `hf auth login`",
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ClientError(
            f"{path_or_hub_id}: could not be fetched from the hub: {reason}",
            hint="check the connection, or give the directory of a model",
        ) from error
