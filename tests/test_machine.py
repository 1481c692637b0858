"""machine: fp32 unless the processor says that it has tiles for bf16."""

import pytest

from perceptlm import machine


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("fpu avx512f avx512_bf16 amx_bf16 amx_tile", "bf16"),
        ("fpu avx512f avx512_bf16", "fp32"),
        (None, "fp32"),
    ],
)
def test_the_fastest_precision_is_read_from_the_processor(flags, precision, tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(machine, "_FEATURES", path)
    assert machine.fastest_precision() == precision
