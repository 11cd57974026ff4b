from __future__ import annotations

import cells
import pytest
from demands import make_point
from optuna.trial import TrialState, create_trial

from rightfit.families.family import TrainingData
from rightfit.profiling.serving import Serving
from rightfit.tuning.studies.live_pool import (
    dump_served,
    load_served,
    observe_trial,
    read_pool,
    steps_ratio,
)
from rightfit.tuning.studies.trial_attributes import CONFIGURATION, CURVE, SERVED, UNTRAINED

SETTINGS = {**cells.LINEAR_PARAMS.fixed, "alpha": 1e-2, "eta0": 1e-4}


def test_a_record_is_seen_from_before_training_to_its_last_checkpoint(blobs: TrainingData) -> None:
    structure = {"n_parameters": 15.0}
    served = {Serving("onnx", 1, "cpu"): {"latency_p50_ms": 2.0}}
    record = {
        CONFIGURATION: SETTINGS,
        UNTRAINED: structure,
        CURVE: [make_point(1, 0.5)],
        SERVED: dump_served(served, dict.fromkeys(served, 3.0)),
    }

    seen = observe_trial(7, record, cells.make_cell(blobs), n_checkpoints=2)

    assert seen.number == 7
    assert [look.checkpoint for look in seen.looks] == [0, 1]
    assert seen.looks[0].structure == structure
    assert seen.last.quality == 0.5
    assert seen.last.quality_error == 0.01  # as recorded, on a scale from 0 to 1
    assert seen.last.fit["fit_time_s"] == 2.0  # two of the four epochs are done
    assert seen.served == served
    assert seen.measured_s == dict.fromkeys(served, 3.0)
    assert seen.last.spent_s == 1.0


@pytest.mark.parametrize(("checkpoint", "ratio"), [(1, 4.0), (2, 2.0), (3, 1.0)])
def test_steps_of_the_whole_training_follow_from_the_checkpoint(
    checkpoint: int, ratio: float
) -> None:
    assert steps_ratio({"n_epochs": 12}, "linear", checkpoint, 3) == ratio


def test_served_metrics_survive_json() -> None:
    served = {Serving("native", 2, "cuda"): {"load_time_ms": 3.0}, Serving("onnx", 1, "cpu"): {}}

    assert load_served(dump_served(served, dict.fromkeys(served, 1.0))) == served


@pytest.mark.parametrize(("kept", "is_here"), [((0, 1), False), ((0, 2), True), ((1, 2), False)])
def test_a_training_in_memory_counts_unless_another_worker_has_gone_on_with_it(
    blobs: TrainingData, kept: tuple[int, int], is_here: bool
) -> None:
    record = {CONFIGURATION: SETTINGS, CURVE: [make_point(1, 0.5), make_point(2, 0.6)]}
    trial = create_trial(state=TrialState.RUNNING, user_attrs=record)
    trial.number = 0

    pool = read_pool([trial], cells.make_cell(blobs), n_checkpoints=4, in_memory=[kept])

    assert pool.trials[0].is_in_memory is is_here
