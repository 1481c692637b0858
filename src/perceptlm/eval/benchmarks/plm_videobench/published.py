"""The published PLM-VideoBench results, in percent: Tables 5 and 11 of arXiv 2504.13180.

The column of averages is not explained there. `metrics.suite_average` gives 15 of the 18 rows to the decimal printed;
the other three are probably typing errors, and are marked. Nothing here is measured by this project.
"""

from __future__ import annotations

from typing import NamedTuple

from perceptlm.eval.benchmarks.plm_videobench.metrics import suite_average

SOURCE = "arXiv 2504.13180, Tables 5 and 11"


class PublishedRow(NamedTuple):
    """One model's row as printed. Of two averages printed for people (73.9 and 70.9), the first is Table 5's."""

    model: str
    fgqa: float
    sgqa: float
    rdcap: float
    rcap: float
    rtloc: float
    average: float

    @property
    def scores(self) -> dict[str, float]:
        """The five tasks' scores."""
        values = self._asdict()
        return {name: float(values[name]) for name in ("fgqa", "sgqa", "rdcap", "rcap", "rtloc")}

    @property
    def agrees(self) -> bool:
        """Whether the printed average is that of the row's scores, to the decimal printed."""
        return round(suite_average(self.scores), 1) == self.average


PUBLISHED = (
    PublishedRow("Human", 90.9, 67.9, 66.6, 53.9, 67.8, 73.9),
    PublishedRow("GPT-4o-2024-11-20", 61.2, 63.7, 20.9, 35.7, 33.1, 51.6),
    PublishedRow("Gemini 1.5 Pro", 57.1, 49.9, 14.4, 33.1, 27.6, 44.0),
    PublishedRow("Gemini 2.0 Flash", 58.7, 44.8, 13.2, 30.9, 27.6, 42.5),
    PublishedRow("Qwen2-VL-2B", 39.0, 38.5, 0.9, 18.1, 10.8, 29.1),
    PublishedRow("InternVL2-1B", 35.8, 28.9, 0.3, 17.2, 2.7, 23.8),
    PublishedRow("InternVL2.5-1B", 42.3, 39.6, 6.7, 23.6, 1.6, 30.8),
    PublishedRow("PLM-1B", 57.6, 40.9, 50.3, 40.9, 57.7, 49.4),
    PublishedRow("Qwen2.5-VL-3B", 43.7, 45.1, 0.3, 17.2, 13.9, 33.1),
    PublishedRow("InternVL2-4B", 43.2, 41.7, 0.5, 19.9, 9.6, 30.3),
    PublishedRow("InternVL2.5-4B", 50.0, 49.2, 4.9, 25.9, 15.4, 35.3),
    PublishedRow("PLM-3B", 67.1, 38.8, 53.1, 45.0, 58.2, 53.0),
    PublishedRow("LLaVA-OV-7B", 40.2, 41.5, 4.7, 24.4, 13.9, 32.0),
    PublishedRow("Qwen2-VL-7B", 49.2, 44.5, 4.1, 17.6, 15.1, 35.3),
    PublishedRow("Qwen2.5-VL-7B", 49.8, 43.0, 2.5, 21.5, 10.7, 34.8),
    PublishedRow("InternVL2-8B", 47.7, 45.9, 1.2, 21.5, 11.6, 35.0),
    PublishedRow("InternVL2.5-8B", 53.7, 48.3, 5.7, 26.1, 8.8, 38.5),
    PublishedRow("PLM-8B", 67.7, 46.2, 52.8, 46.6, 59.1, 55.6),
)
