"""Conversation templates: turns -> token ids, and which of them carry loss.

Layout of `plm_sft` (facts/reference-implementation.md 2.7); what stands before the first `|` is the shared prefix:

    <|begin_of_text|>HEADER(system)SYSTEM<|eot_id|>HEADER(user)PICTURES | QUESTION<|eot_id|>
    HEADER(assistant)ANSWER<|eot_id|> ... <|end_of_text|>        HEADER(r) = <|start_header_id|>r<|end_header_id|>\\n\\n

That is Llama 3's format; a decoder that was taught ChatML is spoken to in that (`chat_format`).
Everything of the assistant carries loss: its header, answer, `<|eot_id|>`, and the final `<|end_of_text|>`.
Layout of `warmup`: PICTURES | CAPTION\\n, all of the caption carrying loss. Texts are stripped, as in the released
chat template. Knows no pictures: a caller puts the placeholders after the prefix made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from perceptlm.errors import DataError
from perceptlm.preprocess.chat_format import IMAGE
from perceptlm.preprocess.configuration import DEFAULT_SYSTEM_TEXT, Template
from perceptlm.preprocess.tokenizer import Tokenizer
from perceptlm.schema import Sample, Turn
from perceptlm.schema.placeholders import resolve, texts_around_images


@dataclass
class TokenRun:
    """Token ids in order; `supervised[i]` says whether ids[i] is to be learnt.

    A `rejected` one ends with an answer that was judged worse than that of the run before it. Of an Example's first
    run, the first `num_shared` tokens belong to the prefix that all branches see.
    """

    ids: list[int] = field(default_factory=list)
    supervised: list[bool] = field(default_factory=list)
    rejected: bool = False
    num_shared: int = 0

    def add(self, ids: Sequence[int], *, supervised: bool) -> None:
        """Append `ids`."""
        self.ids += ids
        self.supervised += [supervised] * len(ids)

    @property
    def answer_start(self) -> int:
        """Where the last answer begins, its header included: after all that is not learnt."""
        return len(self.supervised) - self.supervised[::-1].index(False)


def resolved_turns(sample: Sample, *, num_frames: int) -> list[Turn]:
    """Return the turns of a Sample with frame numbers in the `num_frames` pictures shown, and its boxes as text."""
    boxes = sample.box_texts
    try:
        texts = [resolve(turn.text, frames=sample.frames, num_frames=num_frames, boxes=boxes) for turn in sample.turns]
    except DataError as error:
        raise DataError(f"sample {sample.id}: {error.message}") from error
    return [turn.model_copy(update={"text": text}) for turn, text in zip(sample.turns, texts, strict=True)]


def texts_shown(samples: Iterable[Sample], num_frames: int) -> Iterator[str]:
    """Yield every text of `samples`, each of one picture or video, as it reads beside at most `num_frames` pictures."""
    for sample in samples:
        for turn in resolved_turns(sample, num_frames=min(num_frames, len(sample.frames))):
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
    chat = tokenizer.chat
    return [
        *([] if chat.begin_of_text is None else [tokenizer.special_id(chat.begin_of_text)]),
        *_header(tokenizer, "system"),
        *tokenizer.encode(system.strip()),
        *_end_of_turn(tokenizer),
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
    if tokenizer.chat.closes:
        run.add([tokenizer.special_id(tokenizer.chat.end_of_text)], supervised=True)
    return run


def judged_branches(
    tokenizer: Tokenizer,
    turns: Sequence[Turn],
    rejected_turns: Sequence[Turn],
    *,
    kinds: Sequence[str] = (),
    image_ids: Sequence[int] = (),
) -> list[TokenRun]:
    """Return the branch of a conversation, and the one with a rejected last answer in its place (`plm_sft`).

    Images that stand in the text are there once: all up to the last of them is shared.
    """
    chosen, rejected = (
        training_branch(tokenizer, "plm_sft", spoken, kinds=kinds, image_ids=image_ids)
        for spoken in (turns, rejected_turns)
    )
    image = tokenizer.special_id(IMAGE)
    end = len(chosen.ids) - chosen.ids[::-1].index(image) if image in chosen.ids else 0
    chosen.num_shared = end
    return [chosen, TokenRun(rejected.ids[end:], rejected.supervised[end:], rejected=True)]


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
        run.add(_end_of_turn(tokenizer), supervised=supervised)
    return run


def _stripped(piece: str, first: bool, last: bool) -> str:
    """Return a piece of a text without what is blank at the text's beginning and end."""
    piece = piece.lstrip() if first else piece
    return piece.rstrip() if last else piece


def _header(tokenizer: Tokenizer, role: str) -> list[int]:
    # Encoded apart from the text after it, so that a generation prompt is always a prefix of its training example.
    chat = tokenizer.chat
    return [
        tokenizer.special_id(chat.start_header),
        *tokenizer.encode(role),
        *([] if chat.end_header is None else [tokenizer.special_id(chat.end_header)]),
        *tokenizer.encode(chat.after_header),
    ]


def _end_of_turn(tokenizer: Tokenizer) -> list[int]:
    return [tokenizer.special_id(tokenizer.chat.end_of_turn), *tokenizer.encode(tokenizer.chat.after_turn)]
