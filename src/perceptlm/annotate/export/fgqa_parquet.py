"""Release rows as the table of PLM-Video-Human's FGQA, with columns of our own after the released ones.

Columns: facts/paper.md section 8. Media are found as its converter looks for them, below the export's directory as
`{source_dataset}/{source_video_id}.mp4`. Needs the extra `parquet`. Rows are held a group at a time.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from perceptlm.annotate.export.exported_media import FOLDER
from perceptlm.annotate.export.released import ReleasedItem
from perceptlm.annotate.export.segments import Shown
from perceptlm.artifact import translate_os_errors
from perceptlm.errors import UsageError

FILE = "fgqa/plm_fgqa_train.parquet"


def fgqa_row(item: ReleasedItem, shown: Shown) -> dict[str, Any]:
    """Return one row; the start and end are those of what is shown, in seconds of the exported file."""
    start, end = shown.seconds
    lineage = item.lineage
    source = item.asset.sha256
    return {
        "qa_id": item.id,
        "segment_id": f"{source}:{shown.frames[0]}-{shown.frames[-1]}",
        "question": item.question.strip(),
        "answer": item.answer.strip(),
        "metadata": {
            "source_video_id": source,
            "source_dataset": FOLDER,
            "source_start_time": start,
            "source_end_time": end,
            "what_description": "",
            "q_type": item.question_type,
            "q_subtype": "",
            "domain": item.domain,
            "is_audited": int(lineage.audited),
        },
        "row_id": item.id,
        "guideline": lineage.guideline,
        "n_annotators": lineage.num_annotators,
        "agreement": lineage.agreement,
        "posterior": lineage.posterior,
        "adjudicated": lineage.adjudicated,
        "audited": lineage.audited,
        "license": item.licence,
    }


class FgqaWriter:
    """Writes rows as they come; use it as a context. UsageError without pyarrow."""

    def __init__(self, path: Path, rows_per_group: int) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise UsageError(
                "the FGQA table is Parquet, which needs pyarrow",
                hint="install it with: pip install 'perceptlm[parquet]', or leave the format fgqa out",
            ) from error
        self._path = path
        self._pa = pa
        self._schema = _schema(pa)
        self._rows_per_group = rows_per_group
        self._rows: list[dict[str, Any]] = []
        with translate_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, row: dict[str, Any]) -> None:
        """Add a row."""
        self._rows.append(row)
        if len(self._rows) == self._rows_per_group:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            with translate_os_errors(self._path):
                self._file.write_table(self._pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows.clear()

    def __enter__(self) -> FgqaWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        with translate_os_errors(self._path):
            self._file.close()


def _schema(pa: Any) -> Any:
    text, number = pa.string(), pa.int32()
    metadata = [("source_video_id", text), ("source_dataset", text), ("source_start_time", pa.float64()),
                ("source_end_time", pa.float64()), ("what_description", text), ("q_type", text), ("q_subtype", text),
                ("domain", text), ("is_audited", number)]  # fmt: skip
    return pa.schema(
        [("qa_id", text), ("segment_id", text), ("question", text), ("answer", text), ("metadata", pa.struct(metadata)),
         ("row_id", text), ("guideline", text), ("n_annotators", number), ("agreement", pa.float64()),
         ("posterior", pa.float64()), ("adjudicated", pa.bool_()), ("audited", pa.bool_()), ("license", text)]
    )  # fmt: skip
