"""Build and read an index of many rows: time to open, memory, rows and checked Samples a second, on shuffled access.

    python benchmarks/index_at_scale.py --rows 100_000_000 --folder /data/scratch

Writes `rows` valid Samples in shards of a million, every byte of every shard on disk (no links) and every id used once;
the wording comes from 4,000 Samples that recur. Then builds the index and measures in fresh processes. Cold figures are
taken after the system was asked to forget the shards, with rows drawn from all of them; where the shards are larger
than memory they come from the disk. Warm ones are taken on as many shards as fit `--warm-gb`, read once before, so they
flatter a dataset that does not fit. `first_process_seconds` is the whole life of a process that shows the first Sample,
starting Python and imports with it; the figures with targets leave these out. Everything generated is removed at the
end, unless `--keep`. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from perceptlm.data.blend import Blend, BlendPlan, BlendSource
from perceptlm.data.permutation import Permutation
from perceptlm.data.row_index import RowIndex, build_index
from perceptlm.schema import MediaRef, Origin, Sample, TextAnswer, Turn

ROWS_PER_SHARD = 1_000_000
ROWS_PER_BLOCK = 4_000
TASKS = ("image_caption", "image_qa", "text_reading", "counting")
NUM_READS = 100_000
UNITS_PER_STEP = 256
TARGETS = {
    "open_seconds": ("open", 3.0, "s", False),
    "first_seconds": ("first shuffled Sample, from nothing opened", 1.0, "s", False),
    "open_memory": ("memory after open", 1.0, "GiB", False),
    "reads_memory": ("memory after 100k shuffled reads", 1.0, "GiB", False),
    "warm_raw": ("raw rows, in the page cache", 50_000.0, "rows/s", True),
    "cold_raw": ("raw rows, cold, one by one", 50_000.0, "rows/s", True),
    "cold_units": ("raw rows, cold, in units read ahead", 50_000.0, "rows/s", True),
    "warm_samples": ("Samples, in the page cache", 5_000.0, "Samples/s", True),
    "cold_samples": ("Samples, cold, in units read ahead", 5_000.0, "Samples/s", True),
}


def template_block() -> bytes:
    """Return ROWS_PER_BLOCK rows, four about each picture. S00000B000 stands where shard and block are named."""
    words = np.array(["red", "blue", "dog", "cat", "runs", "sits", "jumps", "on", "under", "the", "tree", "house"])
    draw = np.random.default_rng(0)
    lines = []
    for number in range(ROWS_PER_BLOCK):
        picture, task = divmod(number, len(TASKS))
        question, answer = (" ".join(draw.choice(words, length)) for length in (5, 6))
        sample = Sample(
            id=f"S00000B000-{number}",
            task=TASKS[task],
            split="train",
            media=(MediaRef(kind="image", path=f"images/S00000B000/{picture}.jpg", width=640, height=480),),
            turns=(Turn(role="user", text=question), Turn(role="assistant", text=answer)),
            answer=TextAnswer(text=answer),
            origin=Origin(kind="program", name="index_at_scale", revision="1", licence="CC0-1.0"),
            cluster=f"S00000B000-{picture}",
            template=TASKS[task],
            dimension="what",
        )
        lines.append(sample.model_dump_json(exclude_defaults=True).replace('"answer":{', '"answer":{"type":"text",'))
    for line in lines:
        Sample.model_validate_json(line)
    return ("\n".join(lines) + "\n").encode()


def generate(root: Path, num_rows: int) -> int:
    """Write the shards; return their bytes."""
    block, left, total = template_block(), num_rows, 0
    needed = num_rows * (len(block) / ROWS_PER_BLOCK + 32)
    if (free := shutil.disk_usage(root).free) < needed * 1.1:
        sys.exit(f"error: {needed / 1e9:.0f} GB are needed, {free / 1e9:.0f} GB are free in {root}")
    (root / "train").mkdir()
    for shard in range(-(-num_rows // ROWS_PER_SHARD)):
        with open(root / f"train/samples-{shard:05d}.jsonl", "wb") as file:
            for number in range(ROWS_PER_SHARD // ROWS_PER_BLOCK):
                text = block.replace(b"S00000B000", b"S%05dB%03d" % (shard, number))
                if left < ROWS_PER_BLOCK:
                    text = b"".join(text.splitlines(keepends=True)[:left])
                left -= file.write(text) and min(left, ROWS_PER_BLOCK)
                total += len(text)
    return total


def forget(root: Path) -> None:
    """Ask the system to drop the shards and arrays from its page cache."""
    for path in (root / "train").rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def memory_gib() -> float:
    """Return this process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**30


def shuffled(length: int, num: int, seed: int) -> list[int]:
    """Return the first `num` of a shuffle of range(length)."""
    return list(map(int, Permutation(length, seed)(np.arange(min(num, length)))))


def measure(root: Path, what: str, seed: int, warm_gb: float) -> dict[str, float]:
    """Measure one thing in this fresh process."""
    began = time.perf_counter()
    index = RowIndex.open(root, "train")
    opened = time.perf_counter() - began
    if what == "first":
        plan = BlendPlan.of_blend(Blend(sources=(BlendSource(name="rows", data=root),)), [index], seed)
        index.unit_samples(plan.units_of_step(0, 1)[0].unit)
        return {"first_seconds": time.perf_counter() - began, "open_seconds": opened, "open_memory": memory_gib()}
    if what == "cold_raw":
        rows = shuffled(index.num_rows, NUM_READS, seed)
        began = time.perf_counter()
        for row in rows:
            index.raw(row)
        return {"cold_raw": len(rows) / (time.perf_counter() - began), "reads_memory": memory_gib()}
    if what in ("cold_units", "cold_samples"):
        units, num_rows = shuffled(index.num_units, NUM_READS // 4, seed), 0
        began = time.perf_counter()
        steps = [units[place : place + UNITS_PER_STEP] for place in range(0, len(units), UNITS_PER_STEP)]
        index.prefetch(steps[0])
        for step, after in zip(steps, [*steps[1:], []], strict=True):
            index.prefetch(after)
            for unit in step:
                if what == "cold_samples":
                    num_rows += len(index.unit_samples(unit))
                else:
                    num_rows += len([index.raw(row) for row in index.unit_rows(unit)])
        return {what: num_rows / (time.perf_counter() - began)}
    num_warm = min(index.num_rows, int(warm_gb * 1e9 / index.record.shards[0].num_bytes) * ROWS_PER_SHARD)
    for shard in index.record.shards[: -(-num_warm // ROWS_PER_SHARD)]:
        (root / "train" / shard.name).read_bytes()
    rows = shuffled(num_warm, NUM_READS, seed)
    for row in rows:
        index.raw(row)
    began = time.perf_counter()
    for row in rows:
        index.raw(row)
    raw = len(rows) / (time.perf_counter() - began)
    began = time.perf_counter()
    for row in rows:
        index.sample(row)
    return {"warm_raw": raw, "warm_samples": len(rows) / (time.perf_counter() - began)}


def run_fresh(root: Path, what: str, seed: int, warm_gb: float) -> dict[str, float]:
    """Measure `what` in a process of its own."""
    command = [sys.executable, __file__, "--measure", what, "--folder", str(root), "--seed", str(seed)]
    began = time.perf_counter()
    found = subprocess.run([*command, "--warm-gb", str(warm_gb)], check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(found.stdout)) | {f"{what}_process_seconds": time.perf_counter() - began}


def processor_seconds() -> float:
    """Return the processor time of this process and of those it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measure_all(root: Path, repeats: int, warm_gb: float) -> dict[str, list[float]]:
    """Measure everything `repeats` times, each time with other rows."""
    figures: dict[str, list[float]] = {}
    for seed in range(repeats):
        for what in ("first", "cold_raw", "cold_units", "cold_samples", "warm"):
            forget(root)
            for name, value in run_fresh(root, what, seed, warm_gb).items():
                figures.setdefault(name, []).append(value)
    return figures


def report(figures: dict[str, list[float]]) -> list[dict[str, object]]:
    """Return one line per target: the median, the spread, and whether it is met."""
    lines = []
    for name, (title, target, unit, at_least) in TARGETS.items():
        values = figures[name]
        median = float(np.median(values))
        met = median >= target if at_least else median <= target
        line = {"figure": title, "target": target, "unit": unit, "median": median, "met": met}
        lines.append(line | {"lowest": min(values), "highest": max(values)})
    return lines


def main() -> None:
    """Generate, build, measure, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to write (default: the system's folder for such files)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3, help="measurements, each with other rows (default: 3)")
    parser.add_argument("--warm-gb", type=float, default=4.0, help="shards read before warm figures (default: 4)")
    parser.add_argument("--keep", action="store_true", help="leave what was generated")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.folder, options.measure, options.seed, options.warm_gb)))
        return
    root = Path(tempfile.mkdtemp(prefix="index-at-scale-", dir=options.folder))
    try:
        began = time.perf_counter()
        num_bytes = generate(root, options.rows)
        generated = time.perf_counter() - began
        print(f"{options.rows:,} rows, {num_bytes / 1e9:.1f} GB in {generated:.0f} s: {root}", file=sys.stderr)
        began, used = time.perf_counter(), processor_seconds()
        record = build_index(root, "train", num_workers=options.workers)
        built, used = time.perf_counter() - began, processor_seconds() - used
        print(f"index built in {built:.0f} s ({options.rows / built:,.0f} rows/s)", file=sys.stderr)
        index_bytes = sum(array.num_bytes for array in record.arrays.values())
        setting = {
            "rows": options.rows,
            "units": record.num_units,
            "shards": len(record.shards),
            "shard_bytes": num_bytes,
            "index_bytes": index_bytes,
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            "workers": options.workers,
            "build_seconds": built,
            "build_processor_seconds": used,
            "load_average": os.getloadavg()[1],
        }
        figures = measure_all(root, options.repeats, options.warm_gb)
        setting["first_process_seconds"] = float(np.median(figures["first_process_seconds"]))
        lines = report(figures)
    finally:
        if not options.keep:
            shutil.rmtree(root)
    if options.json:
        print(json.dumps({"setting": setting, "figures": lines}, indent=1))
        return
    print(", ".join(f"{name} {value:,.1f}".removesuffix(".0") for name, value in setting.items()))
    for line in lines:
        verdict = "met" if line["met"] else "missed"
        print(
            f"{line['figure']:<44} target {line['target']:>9,.1f}  median {line['median']:>11,.3f}"
            f"  ({line['lowest']:,.3f} to {line['highest']:,.3f}) {line['unit']}: {verdict}"
        )


if __name__ == "__main__":
    main()
