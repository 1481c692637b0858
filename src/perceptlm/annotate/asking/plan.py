"""What asking a model would take, before it is asked: requests and tokens. Asks nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perceptlm.annotate.asking.needs import AskSettings, Need, NeedyItem
from perceptlm.annotate.asking.run import pairs_of, prompt_of
from perceptlm.annotate.fgqa import proposals, text_only
from perceptlm.clients.token_estimate import TOKEN_RULE, estimated_tokens
from perceptlm.config import Config

RULES = (
    TOKEN_RULE,
    "replies are counted with the most tokens they may have",
    "items that the model was asked about before, in vain, are counted here though they are not asked again",
)


class Plan(Config):
    """What would be asked for one need."""

    need: Need
    num_items: int
    num_requests: int
    num_pictures: int
    num_tokens_in: int
    most_tokens_out: int

    def line(self) -> str:
        """Return the plan for a terminal."""
        return (
            f"{self.need.replace('_', ' ')}: {self.num_items} items, {self.num_requests} requests with "
            f"{self.num_pictures} pictures, about {self.num_tokens_in:,} tokens in and at most "
            f"{self.most_tokens_out:,} out"
        )


def plan_of(need: Need, items: Sequence[NeedyItem], settings: AskSettings) -> Plan:
    """Return what asking about `items` would take."""
    if need == "text_only":
        prompts = [text for item in items for text in text_only.prompts_of(pairs_of(item))]
        num_pictures, most_new = 0, text_only.MAX_NEW_TOKENS
    else:
        prompts = [prompt_of(need, item, settings) for item in items]
        num_pictures = sum(min(item.asset.num_frames, settings.num_frames) for item in items)
        most_new = proposals.MAX_NEW_TOKENS
    return Plan(
        need=need,
        num_items=len(items),
        num_requests=len(prompts),
        num_pictures=num_pictures,
        num_tokens_in=estimated_tokens(prompts, num_pictures),
        most_tokens_out=most_new * len(prompts),
    )


def plan_record(plans: Sequence[Plan]) -> dict[str, Any]:
    """Return plans for `--json`."""
    return {"plans": [plan.to_dict() for plan in plans], "rules": list(RULES)}
