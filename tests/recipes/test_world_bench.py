"""WorldBench's sets: what is stated of them in code and document is the same, and widths follow from the counts."""

import re
from pathlib import Path

import pytest

from perceptlm.recipes.world_bench import BENCH_SIZES, COUNTS, STATED, TaskCounts, largest_half_widths, world_bench
from perceptlm.schema import BENCHMARK_TASKS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "worldbench.md").read_text(encoding="utf-8")


def test_every_size_is_stated_and_the_small_one_is_a_tenth():
    full, small = (world_bench(size) for size in BENCH_SIZES)
    assert [full.name, small.name] == list(STATED) == list(COUNTS)
    assert full.clips.num_clips == 10 * small.clips.num_clips
    assert all(list(counts) == list(BENCHMARK_TASKS) for counts in COUNTS.values())


@pytest.mark.parametrize("size", BENCH_SIZES)
def test_the_document_states_the_digests_and_counts(size):
    name = world_bench(size).name
    assert f"| `{name}` | `{STATED[name].questions}` | `{STATED[name].pictures}` |" in PAGE
    table = PAGE.partition(f"`{name}`: ")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = {cells[0]: cells[1:] for cells in re.findall(r"^\| (\w+) \|(.*)\|$", table, flags=re.MULTILINE)}
    for task, counts in COUNTS[name].items():
        assert [cell.strip() for cell in rows[task][0].split("|")][:3] == [
            f"{counts.rows:,}", f"{counts.items:,}", str(counts.videos),
        ]  # fmt: skip
    for place, score in enumerate((0.3, 0.5, 0.7, 0.9)):
        apart, alike = (largest_half_widths(COUNTS[name], score, correlation=value) for value in (0, 0.2))
        for task, (cells,) in rows.items():
            if task != "task":
                found = [cell.strip() for cell in cells.split("|")][3 + place]
                assert found == f"{100 * apart[task]:.1f} – {100 * alike[task]:.1f}", (task, score)


def test_widths_are_those_of_a_proportion_and_grow_with_what_videos_share():
    counts = {task: TaskCounts(rows=100, items=100, videos=50) for task in BENCHMARK_TASKS}
    apart = largest_half_widths(counts, 0.5, correlation=0)
    assert apart["fgqa"] == pytest.approx(0.098, abs=1e-4)
    assert largest_half_widths(counts, 0.5, correlation=1)["fgqa"] == pytest.approx(apart["fgqa"] * 2**0.5)
    # Three blocks of the same width, independent of each other.
    assert apart["average"] == pytest.approx(apart["fgqa"] / 3**0.5)
