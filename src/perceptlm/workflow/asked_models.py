"""Whichever model a person names for an evaluation, as clients: ours, one of `transformers`, a server, or a file.

Loads torch only for a model that runs here. Knows neither questions nor scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from perceptlm import artifact
from perceptlm.clients import GenerationClient, ModelIdentity, OpenAIClient, PredictionsClient, ScriptedClient
from perceptlm.clients.predictions import OWN, Prediction, read_predictions
from perceptlm.config import parse, read_json_object
from perceptlm.errors import UsageError
from perceptlm.eval.datasets import EvalData
from perceptlm.eval.generation import asked_keys
from perceptlm.eval.outcomes import Variant
from perceptlm.eval.questions import Question
from perceptlm.eval.runner import evaluate
from perceptlm.eval.settings import ROW_NAMES, EvalSettings, check_names

if TYPE_CHECKING:
    from perceptlm.eval.runner import Phase

Backend = Literal["perceptlm", "transformers"]
USUAL_NUM_FRAMES = 32
_PREDICTIONS_RECORD = "predictions"


@dataclass(frozen=True)
class AskedModel:
    """What a person named. At most one of `model`, `endpoint` and `predictions` is given.

    `model` is a directory, or a name on the hub for the backend `transformers`; `blind` a directory of ours; `endpoint`
    a URL that ends in /v1, at which the model is called `name`. `revision` and `licence` say what a server does not.
    """

    model: str | None = None
    backend: Backend = "perceptlm"
    blind: Path | None = None
    endpoint: str | None = None
    name: str | None = None
    predictions: Path | None = None
    num_parallel: int = 8
    timeout_seconds: float = 300.0
    revision: str | None = None
    licence: str = "NOASSERTION"

    def check(self) -> None:
        """Raise UsageError for what does not go together."""
        if sum(item is not None for item in (self.model, self.endpoint, self.predictions)) != 1:
            raise UsageError("give one of --model, --endpoint URL and --predictions FILE")
        if self.blind is not None and (self.model is None or self.backend != "perceptlm"):
            raise UsageError("--blind-model goes with --model, and both are ours")
        if self.endpoint is not None and self.name is None:
            raise UsageError("--endpoint and --model-name go together")
        if self.name is not None and self.model is not None:
            raise UsageError("--model-name is of --endpoint or --predictions")
        if self.backend != "perceptlm" and self.model is None:
            raise UsageError(f"--backend {self.backend} goes with --model")

    def client(self) -> GenerationClient:
        """Return the model as a client; UsageError as `check`, and for predictions, which answer no new questions."""
        if self.model is None and self.endpoint is None:
            raise UsageError("give --model, or --endpoint URL with --model-name")
        self.check()
        if self.endpoint is not None:
            return OpenAIClient(
                self.endpoint,
                model=str(self.name),
                revision=self.revision,
                licence=self.licence,
                num_parallel=self.num_parallel,
                timeout_seconds=self.timeout_seconds,
            )
        if self.backend == "transformers":
            from perceptlm.clients.transformers_model import TransformersClient

            return TransformersClient.load(str(self.model), licence=self.licence)
        from perceptlm.workflow.evaluation import local_client

        return local_client(Path(str(self.model)))

    def num_frames(self) -> int:
        """Return how many frames of a video the model is usually shown."""
        if self.model is None or self.backend != "perceptlm":
            return USUAL_NUM_FRAMES
        from perceptlm.preprocess.processor import Processor

        return Processor.load(Path(self.model)).config.num_frames


def evaluate_asked(
    asked: AskedModel,
    data: list[EvalData],
    out: Path,
    settings: EvalSettings,
    *,
    phase: Phase = "all",
    **options: Any,
) -> Path:
    """Publish the evaluation of a model on datasets, as `eval.runner.evaluate` says.

    With the phase "score" no model is needed: it is the one that was asked before.
    """
    options["phase"] = phase
    if phase == "score":
        return evaluate(_recorded(out), data, out, settings, **options | _recorded_others(out))
    asked.check()
    if asked.predictions is not None:
        return _evaluate_predictions(asked, data, out, settings, options)
    if asked.endpoint is not None or asked.backend == "transformers":
        return evaluate(asked.client(), data, out, settings, **options)
    from perceptlm.workflow.evaluation import evaluate_local

    return evaluate_local(out, settings, data=data, model=Path(str(asked.model)), blind=asked.blind, **options)


def phase_of(generate_only: bool, score_only: bool, shard: str | None) -> Phase:
    """Return what is to be done; UsageError for two things at once."""
    if generate_only and score_only:
        raise UsageError("--generate-only and --score-only are two different commands")
    if score_only and shard is not None:
        raise UsageError("--shard is of asking: leave it out with --score-only")
    return "score" if score_only else "ask" if generate_only else "all"


def sources_of(data: list[Path], media: list[Path]) -> list[EvalData]:
    """Return the datasets with their media folders: one for all, one for each, or none; else UsageError."""
    if len(media) not in (0, 1, len(data)):
        raise UsageError(f"{len(media)} --media for {len(data)} --data", hint="give one for all, or one for each")
    folders: list[Path | None] = [*media] if media else [None]
    return [EvalData(item, folders[number % len(folders)]) for number, item in enumerate(data)]


def settings_for(asked: AskedModel, phase: Phase, out: Path, values: Mapping[str, Any], **more: int) -> EvalSettings:
    """Return complete settings from options, where None is what is usual and lists are names with commas.

    `more` are further settings. With the phase "score" they are those that were asked with; UsageError if others are
    given as well.
    """
    given = [name for name in ("tasks", "profile", "variants", "num_frames", "limit") if values[name] is not None]
    if phase == "score":
        if given:
            raise UsageError(
                f"--score-only scores as it was asked: leave --{given[0].replace('_', '-')} out",
                hint="to score answers in another way, give them as --predictions to a new evaluation",
            )
        return parse(EvalSettings, recorded_recipe(out)["settings"], source=f"{artifact.partial_path(out)}")
    asked.check()
    shown = str(values["variants"] or (OWN if asked.predictions else "own,zero,other")).split(",")
    chosen = {name: values[name] for name in given} | {
        "num_frames": values["num_frames"] or asked.num_frames(),
        "variants": [*shown, *(["trained_blind"] if asked.blind else [])],
    }
    chosen |= more
    check_names("variant", chosen["variants"], get_args(Variant))
    if values["tasks"] is not None:
        chosen["tasks"] = str(values["tasks"]).split(",")
        check_names("row", chosen["tasks"], ROW_NAMES)
    if asked.predictions is not None:
        chosen["max_error_share"] = 1.0  # a missing one is an error in its row, and counted: no reason to stop
    return parse(EvalSettings, chosen, source="options")


def prediction_gaps(place: Path) -> list[str]:
    """Return what to say about ids that predictions lack, or that nobody asked for; nothing of other evaluations."""
    record = place / artifact.RUN_FOLDER / f"{_PREDICTIONS_RECORD}.json"
    if not record.is_file():
        return []
    said = {
        "missing": ("num_asked", "asked for and not predicted"),
        "extra": ("num_predicted", "predicted and not asked for"),
    }
    found = read_json_object(record)
    return [
        f"{len(names)} of {found[total]} {what}, such as {names[0]} (all: {record})"
        for kind, (total, what) in said.items()
        if (names := found[kind])
    ]


def recorded_recipe(out: Path) -> dict[str, Any]:
    """Return the recipe of the unfinished evaluation at `out`; UsageError if there is none."""
    return dict(_request(out)["recipe"])


def _request(out: Path) -> dict[str, Any]:
    partial = artifact.partial_path(out)
    for path in (partial / artifact.REQUEST, partial / artifact.MANIFEST, out / artifact.MANIFEST):
        if path.is_file():
            return read_json_object(path)
    raise UsageError(f"{partial}: nothing was asked yet", hint="run the command with --generate-only first")


def _recorded(out: Path, name: str = "model") -> GenerationClient:
    """Return the model that was asked, by name only: it answers nothing."""
    identity = parse(ModelIdentity, recorded_recipe(out)[name], source="the unfinished evaluation")
    return ScriptedClient({}, identity=identity)


def _recorded_others(out: Path) -> dict[str, Any]:
    """Return the models of single variants, and the directories of models, as they were named before."""
    names = {"trained_blind": "blind_model"} | {
        key.removesuffix("_model"): key
        for key in recorded_recipe(out)
        if key.endswith("_model") and key != "blind_model"
    }
    found = recorded_recipe(out)
    inputs = _request(out)["inputs"]
    return {
        "clients": {variant: _recorded(out, key) for variant, key in names.items() if key in found},
        "inputs": {name: out / inputs[name]["path"] for name in ("model", "blind_model") if name in inputs},
    }


def _evaluate_predictions(
    asked: AskedModel, data: list[EvalData], out: Path, settings: EvalSettings, options: dict[str, Any]
) -> Path:
    """Score what a file says; what it says of unknown ids, or does not say, stands in `run/predictions.json`."""
    found = read_predictions(Path(str(asked.predictions)))
    unknown = [variant for variant in settings.variants if variant not in found]
    if unknown:
        raise UsageError(
            f"{asked.predictions}: holds no predictions of the variant '{unknown[0]}', only of {', '.join(found)}",
            hint="name with --variants those that it has; a line without a variant is of 'own'",
        )
    name = asked.name or "predictions"
    clients: dict[Variant, GenerationClient] = {
        variant: PredictionsClient(found[variant], name=name) for variant in settings.variants
    }
    record: dict[str, Any] = {}

    def check(questions: Sequence[Question]) -> None:
        _check_frames(found[OWN], questions)
        asked_ids = {f"{variant}: {name}" for variant, name in asked_keys(questions, settings)}
        record.update(_compare_ids(found, asked_ids))
        record.update(num_asked=len(asked_ids), num_predicted=sum(map(len, found.values())))
        if len(record["missing"]) == len(asked_ids):
            raise UsageError(
                f"{asked.predictions}: predicts nothing that is asked, but such as '{record['extra'][0]}'",
                hint=f"an id that is asked is '{record['missing'][0]}'",
            )

    evaluate(clients.pop("own"), data, out, settings, clients=clients, check=check, **options)  # 'own' is always there
    place = out if out.is_dir() else artifact.partial_path(out)
    if record:  # else it was published before
        artifact.write_run_record(place, _PREDICTIONS_RECORD, record)
    return place


def _check_frames(own: Mapping[str, Prediction], questions: Sequence[Question]) -> None:
    """Raise UsageError for answers given to another number of frames: their frame numbers would mean other times."""
    for question in questions:
        found = own.get(question.sample.id)
        if found is None or found.num_frames in (None, question.num_frames):
            continue
        most = max(item.num_frames or 0 for item in own.values())  # a short video has fewer than was asked for
        raise UsageError(
            f"these answers were given to {found.num_frames} frames, and would be scored for {question.num_frames}",
            hint=f"--num-frames {most}",
        )


def _compare_ids(found: dict[str, dict[str, Prediction]], asked: set[str]) -> dict[str, list[str]]:
    said = {f"{variant}: {name}" for variant, names in found.items() for name in names}
    return {"missing": sorted(asked - said), "extra": sorted(said - asked)}
