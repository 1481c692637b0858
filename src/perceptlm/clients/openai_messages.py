"""The OpenAI chat-completions format: a request as the JSON to send, and the JSON that came back as a result.

Pure functions: nothing here opens a connection. What a server says is hostile: every field is checked, and its
messages are cut to one short printable line.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from perceptlm.clients.protocol import GenerationRequest, GenerationResult, Picture
from perceptlm.errors import ClientError, DataError
from perceptlm.schema.placeholders import texts_around_images

PictureFormat = Literal["png", "jpeg"]
_JPEG_QUALITY = 95
_MAX_MESSAGE_CHARACTERS = 300


def request_body(request: GenerationRequest, model: str, picture_format: PictureFormat) -> bytes:
    """Return the JSON of a request: its pictures, in order, stand before the first user text as data URIs, or where
    that marks them.

    A video is sent as its sampled frames, one image part each. Raises DataError if the conversation does not end
    with a user turn, or a picture is not (H, W, 3) uint8.
    """
    if not request.turns or request.turns[-1].role != "user":
        raise DataError(f"request {request.id}: the conversation must end with a user turn")
    pictures = [_picture_part(picture, picture_format) for media in request.media for picture in media.pictures]
    messages = conversation(request, pictures)
    body = {
        "model": model,
        "messages": messages,
        "max_tokens": request.max_new_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
        "stream": False,
    }
    return json.dumps(body, allow_nan=False).encode()


def conversation(request: GenerationRequest, pictures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return messages with the parts `pictures` in their places: within the texts, or all before the first user text.

    A content without pictures is a plain string, one with pictures a list of parts.
    """
    texts = texts_around_images(request.turns, [item.kind for item in request.media])
    within = any(len(pieces) > 1 for pieces in texts)
    left = list(pictures)
    messages: list[dict[str, Any]] = []
    for turn, pieces in zip(request.turns, texts, strict=True):
        parts: list[dict[str, Any]] = []
        if turn.role == "user" and not within:
            parts, left = left, []
        for place, piece in enumerate(pieces):
            if place:
                parts.append(left.pop(0))
            if piece or len(pieces) == 1:
                parts.append({"type": "text", "text": piece})
        pictured = any(part["type"] != "text" for part in parts)
        messages.append({"role": turn.role, "content": parts if pictured else pieces[0]})
    return messages


def parse_completion(body: bytes, request_id: str) -> GenerationResult:
    """Return the first choice of a completion; an answer that was filtered or aborted becomes an error result.

    Raises ClientError naming the field that is missing or wrong.
    """
    answer = parse_json(body)
    choice = _first(_field(answer, "choices", list, "answer"))
    finish_reason = _field(choice, "finish_reason", str, "answer.choices[0]")
    if finish_reason not in ("stop", "length"):
        message = f"the server stopped for the reason '{one_line(finish_reason)}'"
        return GenerationResult(request_id, "", "error", error=message)
    content = _field(choice, "message", dict, "answer.choices[0]")
    # A reasoning model that ran out of tokens before it began to answer has no content: an empty answer, cut.
    if finish_reason == "length" and content.get("content") is None:
        text = ""
    else:
        text = _field(content, "content", str, "answer.choices[0].message")
    usage = answer.get("usage")
    return GenerationResult(
        id=request_id,
        text=text,
        finish_reason="length" if finish_reason == "length" else "stop",
        num_prompt_tokens=_count(usage, "prompt_tokens"),
        num_new_tokens=_count(usage, "completion_tokens"),
    )


def parse_revision(body: bytes, model: str) -> str:
    """Return the `revision` that a model list states for `model`, or 'unknown'.

    The list's `created` does not serve: vLLM puts the time of the question there, which names nothing.
    """
    try:
        models = parse_json(body).get("data")
    except ClientError:
        return "unknown"
    for item in models if isinstance(models, list) else []:
        if isinstance(item, dict) and item.get("id") == model and isinstance(item.get("revision"), str):
            return one_line(item["revision"]) or "unknown"
    return "unknown"


def server_message(body: bytes) -> str:
    """Return what an error answer says: its message in any of the usual places, or its text. Not yet `one_line`."""
    try:
        found: Any = parse_json(body)
    except ClientError:
        return body.decode("utf-8", "replace")
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(key):
            found = found[key]
    return found if isinstance(found, str) else json.dumps(found)


def one_line(text: str) -> str:
    """Return hostile text as one short line without control characters."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_MESSAGE_CHARACTERS else line[:_MAX_MESSAGE_CHARACTERS] + "..."


def parse_json(body: bytes) -> dict[str, Any]:
    """Return a JSON object; ClientError if it is anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ClientError("the server's answer is not valid JSON") from error
    if not isinstance(value, dict):
        raise ClientError("the server's answer is not a JSON object")
    return value


def _picture_part(picture: Picture, picture_format: PictureFormat) -> dict[str, Any]:
    from perceptlm.report.embed import embed_jpeg, embed_png

    if picture_format == "png":
        embedded = embed_png(picture, alt="")
    else:
        embedded = embed_jpeg(picture, alt="", quality=_JPEG_QUALITY)
    return {"type": "image_url", "image_url": {"url": embedded.uri}}


def _field(record: dict[str, Any], key: str, kind: type, place: str) -> Any:
    value = record.get(key)
    if not isinstance(value, kind):
        raise ClientError(f"the server's {place}.{key} is missing or not a {kind.__name__}")
    return value


def _first(choices: list[Any]) -> dict[str, Any]:
    if not choices or not isinstance(choices[0], dict):
        raise ClientError("the server's answer.choices holds no choice")
    return choices[0]


def _count(usage: Any, key: str) -> int | None:
    value = usage.get(key) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
