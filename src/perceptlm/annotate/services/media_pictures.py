"""Pictures of assets and the copies that browsers play, each made when it is first asked for."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from typing import Literal

from perceptlm.annotate.frames.proxy import make_proxy
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.store.tables import Asset

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def picture_of(server: Server, asset: Asset, frame: int, format: Literal["png", "webp"]) -> bytes:
    """Return one picture of an asset as PNG or lossless WebP."""
    return server.pictures.picture(server.directory.media_file(asset.sha256, asset.suffix), frame, format)


def proxy_of(server: Server, asset: Asset) -> Path:
    """Return the constant-rate copy of a video, made now if it is not there."""
    path = server.directory.proxy_file(asset.sha256)
    with _locks[asset.sha256]:
        if not path.is_file():
            make_proxy(server.directory.media_file(asset.sha256, asset.suffix), path)
    return path
