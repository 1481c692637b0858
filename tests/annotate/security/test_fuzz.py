"""Schemathesis on the OpenAPI document, in process: valid and invalid requests to every operation, the same each time.

Each operation is asked by somebody who may: no failure of the server, no status, content type or body that the document
does not state, and no invalid request that gets through. Where a path is valid, it names things that are there. Writes
are done and taken back.
"""

from __future__ import annotations

import copy
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import schemathesis
from attack_requests import request_of
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
          response_schema_conformance, negative_data_rejection]  # fmt: skip
NUM_VALID, NUM_INVALID, NUM_WITH_A_PATH_ALONE = 3, 5, 1
MAX_ENTRIES = 2


def made_small(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with short lists, so that valid requests are made quickly."""
    small = copy.deepcopy(document)

    def visit(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("maxItems", 0) > MAX_ENTRIES >= value.get("minItems", 0):
                value["maxItems"] = MAX_ENTRIES
            if value.get("maxLength", 0) > 40:
                value["maxLength"] = 40
            for entry in value.values():
                visit(entry)
        elif isinstance(value, list):
            for entry in value:
                visit(entry)

    visit(small["components"])
    return small


def send(world: Any, case: Any, who: str) -> Any:
    """Send a generated request as somebody; a valid path gets the numbers of things that are there."""
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    url = prepared.path_url
    modes = {str(getattr(place, "value", place)): part.mode for place, part in case.meta.components.items()}
    path_mode = modes.pop("path", None)
    if not set(case.query or ()) <= set(parse_qs(url.partition("?")[2], keep_blank_values=True)):
        modes.pop("query", None)  # a wrong value that is nothing, as an empty list, is not sent at all
    # What else is wrong is only met behind a path that is right.
    if path_mode is GenerationMode.POSITIVE or (path_mode is not None and GenerationMode.NEGATIVE in modes.values()):
        url = request_of(world, case.method, case.operation.path, who).path + url[len(url.partition("?")[0]) :]
    left_out = ("connection", "cookie", "content-length")
    headers = {name: value for name, value in prepared.headers.items() if name.lower() not in left_out}
    return world.ask(who, case.method, url, headers=headers, content=prepared.body or b"")


def num_examples(operation: Any, mode: GenerationMode, times: int) -> int:
    """Return how many requests to make: one where there is nothing but a path, none where nothing can be wrong."""
    is_valid = mode is GenerationMode.POSITIVE
    if operation.body or operation.query or operation.headers:
        return (NUM_VALID if is_valid else NUM_INVALID) * times
    return NUM_WITH_A_PATH_ALONE * times if is_valid or operation.path_parameters else 0


def ask_often(world: Any, operation: Any, who: str, mode: GenerationMode, times: int) -> int:
    """Send generated requests of one operation and check each answer; return how many were sent."""
    num_sent = 0

    @settings(max_examples=num_examples(operation, mode, times), database=None, deadline=None, derandomize=True,
              suppress_health_check=list(HealthCheck), phases=[Phase.generate])  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        nonlocal num_sent
        num_sent += 1
        case.validate_response(send(world, case, who), checks=CHECKS)

    check()
    return num_sent


@pytest.mark.parametrize("times", [1, pytest.param(15, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_does_what_the_document_says(world, mode, times):
    document = world.service.app.openapi()
    schema = schemathesis.openapi.from_dict(made_small(document) if mode is GenerationMode.POSITIVE else document)
    # Parameters that are not in the document are left aside, which `test_queries.py` tests.
    schema.config.generation.allow_extra_parameters = False
    num_sent, wrong = 0, {}
    for result in schema.get_all_operations():
        operation = result.ok()
        action = operation.definition.raw["x-action"]
        who = {"work": "ann", "session.end": "cat", "session.create": "none", "me.read": "ann"}.get(action, "own")
        if num_examples(operation, mode, times) == 0:
            continue
        try:
            num_sent += ask_often(world, operation, who, mode, times)
        except FailureGroup as error:
            wrong[operation.label] = [str(failure)[:600] for failure in error.exceptions]
    assert wrong == {}, "\n".join(map(str, wrong.items()))
    assert num_sent > 100 * times
