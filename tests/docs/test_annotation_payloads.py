"""Every step stands in docs/annotation.md with a payload that the service takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from perceptlm.annotate.api.bodies import NewSubmission
from perceptlm.annotate.fgqa.payloads import PAYLOADS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "annotation.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| `(\{.*?\})`[;,| ]", re.MULTILINE)


def test_each_step_has_a_payload_that_is_taken():
    shown = dict(ROW.findall(TEXT.partition("### Work from a program")[2]))
    assert shown.keys() == PAYLOADS.keys() - {"choice_after"}
    for step, payload in shown.items():
        PAYLOADS[step].model_validate_json(payload, strict=True)


def test_the_submission_has_the_fields_of_the_body():
    example = json.loads(re.search(r"```json\n(\{\n  \"client_op_id\".*?)```", TEXT, re.DOTALL).group(1))
    assert example.keys() == NewSubmission.model_fields.keys()
    NewSubmission.model_validate({**example, "frame_table_hash": "a" * 64})
