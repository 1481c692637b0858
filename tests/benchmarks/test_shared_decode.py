"""benchmarks/shared_decode.py runs on small pictures, and a video is decoded once for all its rows."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "shared_decode.py"


def test_a_video_is_decoded_once_for_all_rows_and_not_at_all_in_a_later_run(tmp_path, monkeypatch):
    specification = importlib.util.spec_from_file_location("shared_decode", SCRIPT)
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    monkeypatch.setattr(script, "WIDTH", 64)
    monkeypatch.setattr(script, "HEIGHT", 48)
    (tmp_path / "work").mkdir()
    found = script.measure(tmp_path / "work", 5, 1, tmp_path / "cache")
    assert found["num_rows"] == 45
    assert found["frames_ratio"] >= script.FRAMES_TARGET
    assert found["decoded_frames"]["per row"] > 2000
    assert len(list((tmp_path / "cache").glob("*.frames"))) == 5
    questions = script.load_questions(
        [script.EvalData(tmp_path / "work" / task) for task in script.ROWS_PER_VIDEO],
        script.EvalSettings(num_frames=script.NUM_FRAMES),
    )
    assert script.shared(list(questions), tmp_path / "cache") == 0
