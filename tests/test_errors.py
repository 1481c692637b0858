"""errors: one tree, places in messages, exit codes."""

import inspect
from pathlib import Path

import pytest

from perceptlm import errors


def all_errors() -> list[type[errors.PerceptLMError]]:
    return [value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__]


@pytest.mark.parametrize("cls", all_errors())
def test_every_error_is_in_the_tree_and_keeps_message_and_hint(cls):
    error = cls("it broke", hint="mend it")
    assert isinstance(error, errors.PerceptLMError)
    assert (error.message, str(error), error.hint) == ("it broke", "it broke", "mend it")
    assert 0 < error.exit_code < 70


@pytest.mark.parametrize(
    ("path", "line", "expected"),
    [(None, None, "bad"), (Path("a.jsonl"), None, "a.jsonl: bad"), ("a.jsonl", 3, "a.jsonl:3: bad")],
)
def test_a_data_error_starts_with_its_place(path, line, expected):
    error = errors.DataError("bad", path=path, line=line)
    assert error.message == expected
    assert (error.path, error.line) == (path, line)
