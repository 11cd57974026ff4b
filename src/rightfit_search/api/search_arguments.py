"""Arguments of a search from Python, checked before anything slow."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from rightfit._core.arguments import require_type
from rightfit._core.errors import RightfitError
from rightfit._core.extras import require
from rightfit._core.formatting import end_sentence, join_sentences
from rightfit._core.spelling import suggest
from rightfit._core.strict_model import MAX_S, list_faults
from rightfit.api.rank import ApplicationsLike, read_applications
from rightfit.measuring.hardware.environment import usable_cores
from rightfit.params.applications import ApplicationsParams
from rightfit.params.defaults import merge, read_default, set_rate
from rightfit.params.evaluation import EvaluationParams
from rightfit.params.faults import explain_faults
from rightfit.ranking.applications.applications import Applications, RankingRules
from rightfit_search.families.registry import get_family
from rightfit_search.searching.space import ModelBlock
from rightfit_search.searching.stopping_rules import (
    NONE,
    StoppingRule,
    build_rule,
    check_stopping,
    import_rule,
)
from rightfit_search.searching.studies.budget import CallLimit
from rightfit_search.searching.training_params import SEARCH, TrainingParams

FamiliesLike = str | Sequence[str] | Mapping[str, Mapping[str, object]]
StoppingLike = str | StoppingRule | type[StoppingRule]
Preset = Literal["quick", "standard", "publish"]
TrainRows = Literal["sample", "all", "auto"]

DEFAULT_FAMILIES = ("linear", "lightgbm", "net", "forest", "boosting", "catboost")
"""Families that are searched where none are named, those of them whose libraries are installed."""

BY_QUALITY = "quality"
N_TRIALS = (
    100  # of a family, where seconds limit a call: a further one is as dear to propose as to try
)
SEARCH_SHARE = 0.9  # of a call's budget, in usual CPU seconds, that the defaults may take
_NEUTRAL: Mapping[str, object] = {
    "description": "the best predictions, whatever they cost",
    "scenario": "offline",
    "objectives": {"quality": {"weight": 1, "worst": 0.0, "best": 1.0}},
}
_NOT_SEARCHED = ("cascade", "imported")
ARGUMENTS = {"seed": "random_state", "rows": "train_rows"}
"""Arguments of a search whose names differ from those of the keys that they set."""

Params = TypeVar("Params", bound=BaseModel)


@dataclass(frozen=True)
class Rules:
    """Parameters of a search.

    Args:
        models: Families with their spaces, by name.
        applications: Who chooses.
        training: Budget and rules of each family's search.
        evaluation: How candidates are measured.
        ranking: How they are ranked.
        refit: Whether the delivered models learn from all rows.
        stopping: A rule given as an object; ``None``: the one that ``training`` names.
        is_parallel: Whether families are searched side by side, in processes of their own.
        limit: What the call may take; ``None``: no limit of seconds.
    """

    models: Mapping[str, ModelBlock]
    applications: ApplicationsParams
    training: TrainingParams
    evaluation: EvaluationParams
    ranking: RankingRules
    refit: bool
    stopping: StoppingRule | None
    is_parallel: bool
    limit: CallLimit | None = None


def read_rules(
    *,
    applications: ApplicationsLike | None,
    families: FamiliesLike | None,
    budget_cpu_s: float | None,
    n_trials: int | None,
    early_stopping: StoppingLike,
    refit: bool,
    train_rows: TrainRows = "sample",
    n_jobs: int | None,
    seed: int,
    budget_s: float | None = None,
    preset: Preset = "quick",
    n_threads: int | None = None,
    n_checkpoints: int | None = None,
) -> Rules:
    """Check what a search is asked for.

    Args:
        applications: See :func:`rightfit.search`, also for the others.
        families: Families to search.
        budget_cpu_s: CPU seconds of the call.
        n_trials: Configurations of each family.
        early_stopping: Name, import path, class or object.
        refit: Whether the delivered models learn from all rows.
        train_rows: Train rows that the candidates learn from.
        n_jobs: Processes that train at once; ``None`` or -1: as many as there are cores.
        seed: Seed of sampling and training.
        budget_s: Wall seconds of the call.
        preset: How thoroughly candidates are measured.
        n_threads: Threads of a training; ``None``: as many as the workers leave each other.
        n_checkpoints: Looks at a training; ``None``: the library's.

    Raises:
        RightfitError: If something is wrong; one sentence says what and how to mend it.
    """
    limit = CallLimit(None)  # counts from here on
    require("optuna", "scipy", "sqlalchemy", "threadpoolctl", purpose="A search")
    if budget_cpu_s is None and budget_s is None and n_trials is None:
        raise RightfitError(
            "Give budget_cpu_s, budget_s or n_trials; without any of them a search never ends."
        )
    for name, value, kind in (
        ("budget_cpu_s", budget_cpu_s, "CPU"),
        ("budget_s", budget_s, "wall"),
    ):
        if value is not None and not (isinstance(value, Real) and 0 < value <= MAX_S):
            raise RightfitError(
                f"{name} must be a positive number of {kind} seconds, but got {value!r}."
            )
    limit.cpu_s, limit.wall_s = budget_cpu_s, budget_s
    if isinstance(n_jobs, Integral) and n_jobs == -1:  # as scikit-learn says it
        n_jobs = None
    if n_jobs is not None and not (isinstance(n_jobs, Integral) and n_jobs >= 1):
        raise RightfitError(f"n_jobs must be 1 or more processes, or -1, but got {n_jobs!r}.")
    require_type("refit", refit, bool)
    if applications is None:
        applications_params = ApplicationsParams.model_validate({BY_QUALITY: _NEUTRAL})
    else:  # nobody has looked at the metrics of an Applications object yet
        raw_blocks = dict(applications) if isinstance(applications, Applications) else applications
        applications_params = ApplicationsParams(read_applications(raw_blocks))
    stopping, rule = _read_stopping(early_stopping)
    models = _read_models(families)
    is_parallel = n_jobs != 1 and len(models) > 1
    training: dict[str, object] = {
        "budget_cpu_s": None,
        "early_stopping": stopping,
        "rows": train_rows,
        "seed": int(seed) if isinstance(seed, Integral) else seed,
    }
    if budget_cpu_s is not None:
        training["budget_cpu_s"] = SEARCH_SHARE * budget_cpu_s / len(models)
    if n_trials is not None or budget_cpu_s is not None or budget_s is not None:
        training["n_trials"] = N_TRIALS if n_trials is None else n_trials
    if n_checkpoints is not None:
        training["n_checkpoints"] = n_checkpoints
    if n_threads is not None or n_jobs is not None:
        training["n_threads"] = n_threads or max(1, usable_cores() // (n_jobs or 1))
    evaluation = merge(read_default("evaluation"), {"preset": preset})
    rules = Rules(
        models=models,
        applications=applications_params,
        training=_validate(TrainingParams, merge(read_default("training", SEARCH), training)),
        evaluation=_validate(EvaluationParams, set_rate(evaluation, applications_params)),
        ranking=_validate(RankingRules, read_default("ranking")),
        refit=refit,
        stopping=rule,
        is_parallel=is_parallel,
        limit=None if budget_cpu_s is None and budget_s is None else limit,
    )
    _check_batch_sizes(rules.applications, rules.evaluation)
    for name, block in models.items():
        try:
            family = get_family(block.family)
            family.require_libraries(f"The family {name}")
            block.params.check_family(family, n_checkpoints=rules.training.n_checkpoints)
        except RightfitError:
            raise
        except ValueError as err:
            raise RightfitError(f"families: {name}: {err}") from err
    return rules


def _validate(model: type[Params], values: Mapping[str, object]) -> Params:
    try:
        return model.model_validate(values)
    except ValidationError as err:
        faults = [fault.partition(":") for fault in list_faults(err)]
        lines = [f"{ARGUMENTS.get(key, key)}{colon}{text}" for key, colon, text in faults]
        raise RightfitError(f"{'; '.join(lines).rstrip('.')}.") from err


def _check_batch_sizes(applications: Applications, evaluation: EvaluationParams) -> None:
    """Refuse applications that can send no batch of a size that will be measured."""
    for name, application in applications.items():
        sizes = application.batch_sizes
        if sizes and (fault := sizes.find_fault(name, evaluation.settings.batch_sizes)):
            raise RightfitError(f"{fault} by preset {evaluation.preset}.")


def _read_stopping(stopping: StoppingLike) -> tuple[str, StoppingRule | None]:
    """Return a rule's name or import path, and the rule itself where only this process has it."""
    if isinstance(stopping, type):
        path = f"{stopping.__module__}.{stopping.__qualname__}"
        is_importable = stopping.__module__ != "__main__" and "<locals>" not in path
        rule = build_rule(stopping, path)
        return (path, None) if is_importable else (NONE, rule)
    if not isinstance(stopping, str):
        if not isinstance(stopping, StoppingRule):
            raise RightfitError(
                "early_stopping must be a name, an import path, or an object with "
                f"prune(study, trial), but got {stopping!r}."
            )
        return NONE, stopping
    try:
        check_stopping(stopping)
        if "." in stopping:
            import_rule(stopping)
    except ValueError as err:
        raise RightfitError(f"early_stopping {err}") from err
    return stopping, None


def _read_models(families: FamiliesLike | None) -> dict[str, ModelBlock]:
    default_blocks: dict[str, dict[str, object]] = {
        name: block
        for name, block in read_default("models", SEARCH).items()
        if block["family"] not in _NOT_SEARCHED
    }
    if isinstance(families, str):
        families = [families]
    names = list(families) if isinstance(families, Iterable) else [families]
    if families is not None and not all(isinstance(name, str) for name in names):
        raise RightfitError(
            "families must be names, import paths, or blocks by name, such as "
            f"{DEFAULT_FAMILIES}, but got {families!r}."
        )
    raws: Mapping[str, Mapping[str, object]]
    if families is None:
        raws = {
            name: default_blocks[name]
            for name in DEFAULT_FAMILIES
            if all(
                importlib.util.find_spec(module.partition(".")[0])
                for module in get_family(str(default_blocks[name]["family"])).native_imports
            )
        }
        if not raws:
            require("sklearn", "skops", purpose="A search of the usual families")
    elif isinstance(families, Mapping):
        if wrong := [name for name, block in families.items() if not isinstance(block, Mapping)]:
            raise RightfitError(
                f"families: the block of {wrong[0]} must be a mapping, {{}} for the library's own, "
                f"but got {families[wrong[0]]!r:.80}."
            )
        raws = {
            name: merge(default_blocks.get(name, {}), block) for name, block in families.items()
        }
    else:
        pairs = [_find_block(name, default_blocks) for name in families]
        raws = dict(pairs)
        if twice := [name for name, block in pairs if block != raws[name]]:
            raise RightfitError(
                f"families: two different ones are called {twice[0]}. Give blocks by names of your "
                "own, as in {'mine': {'family': 'sklearn', 'estimator': 'my_study.models.Mine'}}."
            )
    if not raws:
        raise RightfitError(f"families must name at least one family, such as {DEFAULT_FAMILIES}.")
    faults = explain_faults("families", raws, list(raws), ModelBlock)
    if faults:
        raise RightfitError(end_sentence(join_sentences(faults)))
    return {name: ModelBlock.model_validate(raw) for name, raw in raws.items()}


def _find_block(
    name: str, blocks: Mapping[str, dict[str, object]]
) -> tuple[str, dict[str, object]]:
    """Return a family's name and block: the library's, or one of an import path without a space."""
    if name in blocks:
        return name, blocks[name]
    if "." not in name:
        raise RightfitError(
            f"families: there is no family {name!r}{suggest(name, blocks)}; there are "
            f"{', '.join(blocks)}, and any other by its import path, as in sklearn.svm.SVC."
        )
    for default_name, block in blocks.items():
        if block["family"] == name:
            return default_name, block
    try:
        is_family = importlib.util.find_spec(name) is not None
    except ImportError:  # the path's last part is no module, but a name in one
        is_family = False  # but an estimator
    short = re.sub(r"\W", "_", name.rpartition(".")[2])
    return short, {"family": name} if is_family else {"family": "sklearn", "estimator": name}
