from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from perceptlm.clients import GenerationRequest, MediaInput
from perceptlm.clients.openai_messages import (
    one_line,
    parse_completion,
    parse_revision,
    request_body,
    server_message,
)
from perceptlm.errors import ClientError, DataError
from perceptlm.schema import Turn


def picture(red: int) -> np.ndarray:
    pixels = np.zeros((8, 12, 3), np.uint8)
    pixels[..., 0] = red
    return pixels


def decode(part: dict, kind: str) -> np.ndarray:
    header, data = part["image_url"]["url"].split(",")
    assert (part["type"], header) == ("image_url", f"data:image/{kind};base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def completion(**choice: object) -> bytes:
    return json.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop", **choice}]}).encode()


@pytest.mark.parametrize(("picture_format", "tolerance"), [("png", 0), ("jpeg", 3)])
def test_pictures_stand_in_order_before_the_first_user_text(picture_format, tolerance):
    roles = ("system", "user", "assistant", "user")
    request = GenerationRequest(
        id="r",
        turns=tuple(Turn(role=role, text=f"text {number}") for number, role in enumerate(roles)),
        media=(MediaInput("image", (picture(10),)), MediaInput("video", (picture(90), picture(200)))),
        max_new_tokens=7,
        temperature=0.5,
        seed=2**62,
    )
    body = json.loads(request_body(request, "some-vlm", picture_format))
    assert (body["model"], body["max_tokens"], body["temperature"], body["seed"]) == ("some-vlm", 7, 0.5, 2**62)
    assert [message["role"] for message in body["messages"]] == list(roles)
    assert [body["messages"][i]["content"] for i in (0, 2, 3)] == ["text 0", "text 2", "text 3"]
    *pictures, text = body["messages"][1]["content"]
    assert text == {"type": "text", "text": "text 1"}
    for part, red in zip(pictures, (10, 90, 200), strict=True):
        difference = np.abs(decode(part, picture_format).astype(int) - picture(red))
        assert difference.max() <= tolerance


def test_images_stand_where_the_text_marks_them():
    texts = ("Is <image> as", "No.", "<image>?")
    turns = tuple(Turn(role=role, text=text) for role, text in zip(("user", "assistant", "user"), texts, strict=True))
    media = (MediaInput("image", (picture(10),)), MediaInput("image", (picture(90),)))
    first, answer, second = json.loads(request_body(GenerationRequest("r", turns, media), "vlm", "png"))["messages"]
    assert [part["type"] for part in first["content"]] == ["text", "image_url", "text"]
    assert [first["content"][0]["text"], first["content"][2]["text"]] == ["Is ", " as"]
    assert (decode(first["content"][1], "png") == picture(10)).all()
    assert answer["content"] == "No."
    assert (decode(second["content"][0], "png") == picture(90)).all()
    assert second["content"][1:] == [{"type": "text", "text": "?"}]
    alone = (Turn(role="user", text="<image>"), turns[1], Turn(role="user", text="<image>\ncompare"))
    first, _, second = json.loads(request_body(GenerationRequest("r", alone, media), "vlm", "png"))["messages"]
    assert [part["type"] for part in (*first["content"], *second["content"])] == ["image_url", "image_url", "text"]
    with pytest.raises(DataError, match="2 markers <image> in the text, but 3 images"):
        request_body(GenerationRequest("r", turns, (*media, media[0])), "vlm", "png")


def test_without_pictures_the_content_is_plain_text(ask):
    assert json.loads(request_body(ask("hello"), "m", "png"))["messages"] == [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize("roles", [(), ("system",), ("user", "assistant")])
def test_a_conversation_that_asks_nothing_is_refused(roles):
    turns = tuple(Turn(role=role, text="x") for role in roles)
    with pytest.raises(DataError, match="must end with a user turn"):
        request_body(GenerationRequest(id="r", turns=turns), "m", "png")


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_a_picture_of_another_shape_or_type_is_refused(ask, bad):
    with pytest.raises(DataError, match=r"must be \(H, W, 3\) uint8"):
        request_body(ask("x", media=(MediaInput("image", (bad,)),)), "m", "png")


def test_finish_reasons_are_mapped():
    assert parse_completion(completion(), "r").finish_reason == "stop"
    assert parse_completion(completion(finish_reason="length"), "r").finish_reason == "length"
    cut_while_thinking = parse_completion(completion(finish_reason="length", message={"content": None}), "r")
    assert (cut_while_thinking.text, cut_while_thinking.finish_reason) == ("", "length")
    filtered = parse_completion(completion(finish_reason="content_filter"), "r")
    assert (filtered.text, filtered.finish_reason) == ("", "error")
    assert "content_filter" in (filtered.error or "")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "choices is missing"),
        (b'{"choices": []}', "holds no choice"),
        (b'{"choices": ["x"]}', "holds no choice"),
        (completion(finish_reason=None), "finish_reason is missing"),
        (completion(message=None), "message is missing"),
        (completion(message={}), "content is missing"),
        (completion(message={"content": ["x"]}), "content is missing or not a str"),
    ],
)
def test_a_malformed_answer_names_what_is_wrong(body, said):
    with pytest.raises(ClientError, match=said):
        parse_completion(body, "r")


@pytest.mark.parametrize(
    "usage", [None, [], {}, {"prompt_tokens": "9"}, {"prompt_tokens": -1}, {"prompt_tokens": True}]
)
def test_a_senseless_usage_is_ignored(usage):
    body = json.dumps({**json.loads(completion()), "usage": usage}).encode()
    assert parse_completion(body, "r").num_prompt_tokens is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "no such model", "code": 404}}, "no such model"),
        ({"object": "error", "message": "too long"}, "too long"),
        ({"error": "busy"}, "busy"),
        ({"detail": [{"loc": ["body"]}]}, '[{"loc": ["body"]}]'),
        ("plain", '"plain"'),
    ],
)
def test_the_message_of_an_error_is_found(body, said):
    assert server_message(json.dumps(body).encode()) == said


def test_hostile_text_becomes_one_short_line():
    assert one_line("a\x1b[31m\r\nb\u2028c\x00") == "a [31m b c"
    assert len(one_line("x" * 10_000)) < 400


@pytest.mark.parametrize(
    ("body", "revision"),
    [
        ({"data": [{"id": "other", "revision": "no"}, {"id": "m", "revision": "abc123"}]}, "abc123"),
        ({"data": [{"id": "m", "created": 1720000000}]}, "unknown"),
        ({"data": [{"id": "m", "revision": ""}]}, "unknown"),
        ({"data": [None, "m"]}, "unknown"),
        ({"data": 3}, "unknown"),
        ([], "unknown"),
    ],
)
def test_a_revision_is_taken_only_where_one_is_stated(body, revision):
    assert parse_revision(json.dumps(body).encode(), "m") == revision
