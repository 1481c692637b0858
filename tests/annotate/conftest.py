"""The corpus of awkward videos, made once; tests read it and change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from frame_corpus import CorpusVideo, corpus


@pytest.fixture(scope="session")
def frame_corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CorpusVideo]:
    """The videos of `frame_corpus.CASES` by name."""
    return {video.name: video for video in corpus(tmp_path_factory.mktemp("corpus"))}


@pytest.fixture(scope="session")
def corpus_folder(frame_corpus: dict[str, CorpusVideo]) -> Path:
    """Where they lie."""
    return next(iter(frame_corpus.values())).path.parent
