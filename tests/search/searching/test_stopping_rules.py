from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import optuna
import pytest
from factories import cells
from fakes.stopping_rules import BehindBest
from optuna.trial import FrozenTrial

from rightfit._core.errors import RightfitError
from rightfit.models.quality.metric import QualityMetric
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.search import run_search
from rightfit_search.searching.stopping_rules import check_stopping, import_rule
from rightfit_search.searching.studies.study_store import StudyStore

pytestmark = pytest.mark.whole


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return StudyStore(tmp_path, None)


def search(data: TrainingData, store: StudyStore, **changes: Any) -> optuna.Study:
    """Search by a loss, in which any two models differ."""
    return run_search(
        cells.make_cell(data, quality=QualityMetric(name="neg_log_loss", worst=-2.0, best=0.0)),
        cells.make_settings(
            n_trials=6, n_checkpoints=3, early_stopping=changes.pop("name", "none")
        ),
        store,
        **changes,
    )


def test_rule_by_import_path_ends_trials(blobs: TrainingData, store: StudyStore) -> None:
    study = search(blobs, store, name="fakes.stopping_rules.BehindBest")

    assert study.trials[0].state.name == "COMPLETE"  # nothing to compare it with
    stopped = [trial for trial in study.trials if trial.state.name == "PRUNED"]
    assert stopped
    best = study.trials[0].intermediate_values
    assert all(t.intermediate_values[t.last_step] < best[t.last_step] for t in stopped)
    assert {trial.user_attrs["stop_rule"] for trial in stopped} == {"BehindBest"}


def test_rule_of_the_guide_ends_trials(blobs: TrainingData, store: StudyStore) -> None:
    guide = Path(__file__).parents[3] / "docs" / "howto" / "own_parts.md"
    *_, program = re.findall(r"^```python\n(.*?)^```", guide.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - ours

    study = search(blobs, store, rule=names["BehindBest"]())

    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED"}


def test_rule_as_an_object_keeps_its_settings(blobs: TrainingData, store: StudyStore) -> None:
    study = search(blobs, store, rule=BehindBest(margin=100.0))  # no loss is so far behind

    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}


def test_rule_that_fails_ends_the_search_by_its_name(
    blobs: TrainingData, store: StudyStore
) -> None:
    class Failing:
        def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
            raise KeyError("no such note")

    with pytest.raises(RightfitError, match=r"The stopping rule Failing failed at trial 0 \(KeyE"):
        search(blobs, store, rule=Failing())


def test_pruner_of_optuna_is_a_rule() -> None:
    assert isinstance(import_rule("optuna.pruners.NopPruner"), optuna.pruners.NopPruner)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module.Rule", "There is no module 'no_such_module' to hold a stopping rule"),
        ("fakes.stopping_rules.Missing", "The module fakes.stopping_rules has no 'Missing'"),
        ("fakes.stopping_rules.NoRule", r"has no method prune\(study, trial\)"),
        ("fakes.stopping_rules.NeedsArgument", "can't be made without arguments"),
    ],
)
def test_path_that_holds_no_rule_is_refused(path: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        import_rule(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("medain", r"did you mean 'median'\?"),
        ("", "but got ''"),
        ("my study.rule", "must be one of"),
    ],
)
def test_unknown_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_stopping(name)
