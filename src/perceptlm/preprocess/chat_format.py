"""How a conversation is written down: its special tokens and what stands between them, as Llama 3's or as ChatML.

A decoder has been taught one of them; its tokenizer tells which. Knows names only, no ids and no templates' logic.
"""

from __future__ import annotations

from dataclasses import dataclass

IMAGE = "<|image|>"
VIDEO = "<|video|>"


@dataclass(frozen=True)
class ChatFormat:
    """Names of special tokens (None: there is none) and plain texts.

    A turn is `start_header`, role, `end_header`, `after_header`, text, `end_of_turn`, `after_turn`. `end_of_text` pads,
    stops an answer and, if it `closes`, follows the last one in training. `spare` are special tokens that no
    conversation uses: IMAGE and VIDEO take their places.
    """

    name: str
    begin_of_text: str | None
    start_header: str
    end_header: str | None
    after_header: str
    end_of_turn: str
    after_turn: str
    end_of_text: str
    closes: bool
    spare: tuple[str, str]

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """Every special token a tokenizer must have, IMAGE and VIDEO among them."""
        named = [self.begin_of_text, self.end_of_text, IMAGE, VIDEO]
        named += [self.start_header, self.end_header, self.end_of_turn]
        return tuple(name for name in named if name is not None)


LLAMA_3 = ChatFormat(
    name="llama3",
    begin_of_text="<|begin_of_text|>",
    start_header="<|start_header_id|>",
    end_header="<|end_header_id|>",
    after_header="\n\n",
    end_of_turn="<|eot_id|>",
    after_turn="",
    end_of_text="<|end_of_text|>",
    closes=True,
    spare=("<|reserved_special_token_0|>", "<|reserved_special_token_1|>"),
)
"""Llama 3's and PLM's (facts/reference-implementation.md 2.6 and 2.7)."""
CHATML = ChatFormat(
    name="chatml",
    begin_of_text=None,
    start_header="<|im_start|>",
    end_header=None,
    after_header="\n",
    end_of_turn="<|im_end|>",
    after_turn="\n",
    end_of_text="<|endoftext|>",
    closes=False,
    spare=("<repo_name>", "<reponame>"),
)
"""That of SmolLM2 and many others; the spare tokens are SmolLM2's."""
CHAT_FORMATS = (LLAMA_3, CHATML)


def chat_template(chat: ChatFormat, default_system: str) -> str:
    """Return the same layout for `transformers`. It works on strings, so that it cannot keep special names out of
    people's text."""
    newline, end_header = chat.after_header.replace("\n", "\\n"), chat.end_header or ""
    end_of_turn = chat.end_of_turn
    if chat.after_turn:
        end_of_turn += "{{- '" + chat.after_turn.replace("\n", "\\n") + "' -}}"
    return (
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
        "{%- set system, turns = '" + default_system + "', messages -%}"
        "{%- endif -%}"
        + ("" if chat.begin_of_text is None else "{{- bos_token -}}")
        + f"{chat.start_header}system{end_header}"
        + "{{- '"
        + newline
        + "' + system -}}"
        + end_of_turn
        + "{%- for turn in turns -%}"
        + chat.start_header
        + "{{- turn['role'] -}}"
        + end_header
        + "{{- '"
        + newline
        + "' -}}"
        + "{{- media_of(turn['content']) -}}{{- text_of(turn['content']) -}}"
        + end_of_turn
        + "{%- endfor -%}"
        + "{%- if add_generation_prompt -%}"
        + f"{chat.start_header}assistant{end_header}"
        + "{{- '"
        + newline
        + "' -}}{%- endif -%}"
    )
