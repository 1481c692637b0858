"""Peak memory of converting a model of the size of Perception-LM-1B between layouts, beside its weights and its bound.

    python benchmarks/convert_memory.py [--preset plm_1b] [--layers N] [--vocabulary N] [--plan] [--json] [--dry-run]

Writes a checkpoint of random bf16 values (3.1 GB for plm_1b), converts it to the original layout and back in a process
of its own, and prints how much its peak rose above that after imports. The bound: twice the largest tensor + 300 MiB.
With `--plan` the checkpoint holds no values (files with holes, that take no room) and is planned only: every tensor is
checked, and all that would be written is known. So a model of 8B can be looked at anywhere.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from perceptlm.model.configuration import PLMConfig
from perceptlm.model.presets import PRESETS
from perceptlm.model.weights import hf_config
from perceptlm.model.weights.convert import convert, plan
from perceptlm.model.weights.layouts import state_on_meta, transformers_layout
from perceptlm.model.weights.rules import file_shapes
from perceptlm.model.weights.tensor_files import Held, SafetensorsWriter
from perceptlm.train.stage import peak_memory_bytes

ROOM = 300 * 2**20
_INFINITY = 0x7F80
"""Its bits: what lies below are finite numbers."""


def shape(preset: str, num_layers: int | None, vocab_size: int) -> PLMConfig:
    """Return the preset, its decoder cut to `num_layers`."""
    config = PRESETS[preset](vocab_size, 7)
    if num_layers is None:
        return config
    return config.model_copy(update={"decoder": config.decoder.model_copy(update={"num_layers": num_layers})})


def write_random(directory: Path, config: PLMConfig, *, empty: bool = False) -> None:
    """Write a checkpoint of random values as `directory`, tensor by tensor; an `empty` one has holes for values."""
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(hf_config.to_json(config)))
    shapes = file_shapes(transformers_layout(config), state_on_meta(config))
    wanted = [Held(name, size, torch.bfloat16) for name, size in shapes.items()]
    writer = SafetensorsWriter(directory, wanted)
    random = torch.Generator().manual_seed(0)
    for held in () if empty else wanted:
        bits = torch.randint(0, _INFINITY, held.shape, dtype=torch.int16, generator=random)
        writer.write(held.name, bits.view(torch.bfloat16))
    writer.finish()


def measure(source: Path, folder: Path, *, only_plan: bool) -> dict[str, float]:
    """Convert there and back, or plan it; return bytes that the peak rose by, and seconds."""
    before, began = peak_memory_bytes(), time.perf_counter()
    if only_plan:
        planned = plan(source, "original")
        assert planned.num_bytes
        return {"added_bytes": peak_memory_bytes() - before, "seconds": time.perf_counter() - began}
    convert(plan(source, "original"), folder / "original")
    convert(plan(folder / "original", "transformers"), folder / "back")
    return {"added_bytes": peak_memory_bytes() - before, "seconds": time.perf_counter() - began}


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, run, print; 1 if the bound is not kept."""
    parser = argparse.ArgumentParser(description="Peak memory of converting a model between layouts.")
    parser.add_argument("--preset", default="plm_1b", choices=sorted(PRESETS))
    parser.add_argument("--layers", type=int, help="blocks of the decoder [default: all]")
    parser.add_argument("--vocabulary", type=int, default=128256, help="tokens [default: 128256]")
    parser.add_argument("--plan", action="store_true", help="plan only, without values")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--dry-run", action="store_true", help="say how large it would be, and stop")
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(*options.measure, only_plan=options.plan)))
        return 0
    config = shape(options.preset, options.layers, options.vocabulary)
    shapes = file_shapes(transformers_layout(config), state_on_meta(config)).values()
    sizes = [2 * torch.Size(size).numel() for size in shapes]
    found: dict[str, float] = {
        "all_bytes": sum(sizes),
        "largest_bytes": max(sizes),
        "bound_bytes": 2 * max(sizes) + ROOM,
    }
    if not options.dry_run:
        with tempfile.TemporaryDirectory() as root:
            write_random(Path(root) / "source", config, empty=options.plan)
            command = [sys.executable, __file__, "--measure", f"{root}/source", root, *["--plan"][: options.plan]]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found |= json.loads(done.stdout.splitlines()[-1])
            if not options.plan:
                same = filecmp.cmp(f"{root}/source/model.safetensors", f"{root}/back/model.safetensors", shallow=False)
                found["same_bytes"] = same
        found["ratio_to_bound"] = round(found["added_bytes"] / found["bound_bytes"], 3)
        found["ratio_to_weights"] = round(found["added_bytes"] / found["all_bytes"], 3)
    print(json.dumps(found) if options.json else "\n".join(f"{name:<18}{value:>18,}" for name, value in found.items()))
    return int(found.get("ratio_to_bound", 0) > 1 or found.get("same_bytes") is False)


if __name__ == "__main__":
    raise SystemExit(main())
