"""Conversation templates: turns -> token ids, and which of them carry loss.

Layout of `plm_sft` (facts/reference-implementation.md 2.7); what stands before the first `|` is the shared prefix:

    <|begin_of_text|>HEADER(system)SYSTEM<|eot_id|>HEADER(user)PICTURES | QUESTION<|eot_id|>
    HEADER(assistant)ANSWER<|eot_id|> ... <|end_of_text|>        HEADER(r) = <|start_header_id|>r<|end_header_id|>\\n\\n

Everything of the assistant carries loss: its header, answer, `<|eot_id|>`, and the final `<|end_of_text|>`.
Layout of `warmup`: PICTURES | CAPTION\\n, all of the caption carrying loss. Texts are stripped, as in the released
chat template. Knows no pictures: a caller puts the placeholders after the prefix made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from perceptlm.errors import DataError
from perceptlm.preprocess.configuration import DEFAULT_SYSTEM_TEXT, Template
from perceptlm.preprocess.tokenizer import (
    BEGIN_OF_TEXT,
    END_HEADER,
    END_OF_TEXT,
    END_OF_TURN,
    IMAGE,
    START_HEADER,
    Tokenizer,
)
from perceptlm.schema import Sample, Turn
from perceptlm.schema.placeholders import resolve, texts_around_images

CHAT_TEMPLATE = (
    "{%- macro text_of(content) -%}"
    "{%- if content is string -%}{{ content | trim }}{%- else -%}"
    "{%- for part in content if part['type'] == 'text' -%}{{ part['text'] | trim }}{%- endfor -%}"
    "{%- endif -%}"
    "{%- endmacro -%}"
    "{%- macro media_of(content) -%}"
    "{%- if content is not string -%}"
    "{%- for part in content if part['type'] == 'image' -%}<|image|>{%- endfor -%}"
    "{%- for part in content if part['type'] == 'video' -%}<|video|>{%- endfor -%}"
    "{%- endif -%}"
    "{%- endmacro -%}"
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set system, turns = text_of(messages[0]['content']), messages[1:] -%}"
    "{%- else -%}"
    "{%- set system, turns = '" + DEFAULT_SYSTEM_TEXT + "', messages -%}"
    "{%- endif -%}"
    "{{- bos_token -}}<|start_header_id|>system<|end_header_id|>{{- '\\n\\n' + system -}}<|eot_id|>"
    "{%- for turn in turns -%}"
    "<|start_header_id|>{{- turn['role'] -}}<|end_header_id|>{{- '\\n\\n' -}}"
    "{{- media_of(turn['content']) -}}{{- text_of(turn['content']) -}}<|eot_id|>"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|start_header_id|>assistant<|end_header_id|>{{- '\\n\\n' -}}{%- endif -%}"
)
"""The same layout for `transformers`. It works on strings, so it cannot keep special names out of people's text."""


@dataclass
class TokenRun:
    """Token ids in order; `supervised[i]` says whether ids[i] is to be learnt."""

    ids: list[int] = field(default_factory=list)
    supervised: list[bool] = field(default_factory=list)

    def add(self, ids: Sequence[int], *, supervised: bool) -> None:
        """Append `ids`."""
        self.ids += ids
        self.supervised += [supervised] * len(ids)


def resolved_turns(sample: Sample, *, total_frames: int, num_frames: int) -> list[Turn]:
    """Return the turns of a Sample with frame numbers in the `num_frames` pictures shown of `total_frames`, and
    with its boxes as text."""
    boxes = sample.box_texts
    try:
        texts = [
            resolve(turn.text, total_frames=total_frames, num_frames=num_frames, boxes=boxes) for turn in sample.turns
        ]
    except DataError as error:
        raise DataError(f"sample {sample.id}: {error.message}") from error
    return [turn.model_copy(update={"text": text}) for turn, text in zip(sample.turns, texts, strict=True)]


def texts_shown(samples: Iterable[Sample], num_frames: int) -> Iterator[str]:
    """Yield every text of `samples`, each of one picture or video, as it reads beside at most `num_frames` pictures."""
    for sample in samples:
        total = sample.media[0].num_frames
        for turn in resolved_turns(sample, total_frames=total, num_frames=min(num_frames, total)):
            yield turn.text


def system_text(turns: Sequence[Turn]) -> str:
    """Return the system text of a conversation, or the default one. Only its first turn may be a system turn."""
    if any(turn.role == "system" for turn in turns[1:]):
        raise DataError("a system turn may only stand at the beginning of a conversation")
    return turns[0].text.strip() if turns and turns[0].role == "system" else DEFAULT_SYSTEM_TEXT


def prefix_ids(tokenizer: Tokenizer, template: Template, system: str) -> list[int]:
    """Return what comes before the pictures."""
    if template == "warmup":
        return []
    return [
        tokenizer.special_id(BEGIN_OF_TEXT),
        *_header(tokenizer, "system"),
        *tokenizer.encode(system.strip()),
        tokenizer.special_id(END_OF_TURN),
        *_header(tokenizer, "user"),
    ]


def picture_ids(tokenizer: Tokenizer, num_pictures: int, tokens_per_picture: int, *, numbered: bool) -> list[int]:
    """Return the placeholders of all pictures; `numbered` ones each stand after their number in text."""
    placeholders = [tokenizer.special_id(IMAGE)] * tokens_per_picture
    if not numbered:
        return placeholders * num_pictures
    return [token for number in range(num_pictures) for token in (*tokenizer.encode(str(number)), *placeholders)]


def training_branch(
    tokenizer: Tokenizer,
    template: Template,
    turns: Sequence[Turn],
    *,
    kinds: Sequence[str] = (),
    image_ids: Sequence[int] = (),
) -> TokenRun:
    """Return what follows the pictures: questions and answers of one conversation, answers supervised.

    `kinds` are those of the media, and `image_ids` the placeholders of one image, should images stand in the text.
    """
    if template == "warmup":
        run = TokenRun()
        run.add(tokenizer.encode(turns[-1].text.strip() + "\n"), supervised=True)
        return run
    run = _dialogue(tokenizer, turns, kinds, image_ids)
    run.add([tokenizer.special_id(END_OF_TEXT)], supervised=True)
    return run


def prompt_branch(
    tokenizer: Tokenizer,
    template: Template,
    turns: Sequence[Turn],
    *,
    kinds: Sequence[str] = (),
    image_ids: Sequence[int] = (),
) -> TokenRun:
    """Return what follows the pictures when an answer is wanted; it ends with the assistant's header.

    With `warmup` nothing follows: that template has no questions. Raises DataError unless user and assistant turns
    alternate and end with the user, or if there are not as many images in the text as were given.
    """
    if template == "warmup":
        return TokenRun()
    roles = [turn.role for turn in turns if turn.role != "system"]
    if roles != (["user", "assistant"] * len(roles))[: len(roles)] or len(roles) % 2 == 0:
        raise DataError(f"a prompt must alternate user and assistant turns and end with the user; found {roles}")
    run = TokenRun()
    run.add(_dialogue(tokenizer, turns, kinds, image_ids).ids + _header(tokenizer, "assistant"), supervised=False)
    return run


def _dialogue(tokenizer: Tokenizer, turns: Sequence[Turn], kinds: Sequence[str], image_ids: Sequence[int]) -> TokenRun:
    """Return the turns from the first user text on; its header stands before the pictures."""
    run = TokenRun()
    texts = texts_around_images(turns, kinds)
    spoken = [(turn.role, pieces) for turn, pieces in zip(turns, texts, strict=True) if turn.role != "system"]
    for number, (role, pieces) in enumerate(spoken):
        supervised = role == "assistant"
        if number:
            run.add(_header(tokenizer, role), supervised=supervised)
        for place, piece in enumerate(pieces):
            if place:
                run.add(image_ids, supervised=False)
            run.add(tokenizer.encode(_stripped(piece, place == 0, place == len(pieces) - 1)), supervised=supervised)
        run.add([tokenizer.special_id(END_OF_TURN)], supervised=supervised)
    return run


def _stripped(piece: str, first: bool, last: bool) -> str:
    """Return a piece of a text without what is blank at the text's beginning and end."""
    piece = piece.lstrip() if first else piece
    return piece.rstrip() if last else piece


def _header(tokenizer: Tokenizer, role: str) -> list[int]:
    # Encoded apart from the text after it, so that a generation prompt is always a prefix of its training example.
    return [
        tokenizer.special_id(START_HEADER),
        *tokenizer.encode(role),
        tokenizer.special_id(END_HEADER),
        *tokenizer.encode("\n\n"),
    ]
