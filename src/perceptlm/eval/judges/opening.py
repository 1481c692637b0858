"""From a client to a judge ready to be asked: with the profile's wording, and a cache of replies.

Which client it is, is the caller's matter. Reads wordings and opens the cache; asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perceptlm.clients import GenerationClient
from perceptlm.eval.benchmarks.plm_videobench.profiles import LMMS, Profile
from perceptlm.eval.judges.cache import ReplyCache
from perceptlm.eval.judges.client_judge import ClientJudge
from perceptlm.eval.judges.lmms_wording import installed_wording, read_wording
from perceptlm.eval.judges.wording import OWN, Wording

CACHE_NAME = "judge-cache.sqlite3"
"""Beside the evaluations that share it, unless another place is named."""


def wording_of(profile: Profile, path: Path | None = None) -> Wording:
    """Return how `profile` asks a judge, or the wording that `path` holds. ConfigError if lmms-eval's is not there."""
    if path is not None:
        return read_wording(path)
    return installed_wording() if profile == LMMS else OWN[profile]


@contextmanager
def open_judge(
    client: GenerationClient,
    profile: Profile,
    *,
    cache: Path,
    wording: Path | None = None,
    max_error_share: float = 0.05,
    address: str | None = None,
) -> Iterator[ClientJudge]:
    """Yield a judge that asks `client`, at `address` if it is a server's, as `profile` does and keeps replies in the
    file `cache`."""
    words = wording_of(profile, wording)
    with ReplyCache(cache) as replies:
        yield ClientJudge(client, words, profile, cache=replies, max_error_share=max_error_share, address=address)
