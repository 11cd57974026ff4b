from __future__ import annotations

import numpy as np
import pytest

from rightfit.profiling.serving import Serving
from rightfit.tuning.pausing.priors import Prior
from rightfit.tuning.pausing.serving_costs import CostLine
from rightfit_study.early_stopping.learning import dump_priors, learn_quality_prior

pytestmark = pytest.mark.whole


def test_priors_are_learnt_from_whole_searches() -> None:
    curves = np.array([[0.4 + i / 100, 0.5 + i / 200] for i in range(10)])

    (step,) = learn_quality_prior([curves])

    assert step.rise == pytest.approx(0.06, abs=0.005)
    assert step.slope == pytest.approx(0.5)
    assert step.spread == pytest.approx(0, abs=1e-9)


def test_priors_are_written_as_json() -> None:
    line = CostLine(1.0, {"n_parameters": 2.0}, 0.1)
    prior = Prior(lines={(Serving("onnx", 1, "cpu"), "model_size_mib"): line})

    assert '"n_parameters":2.0' in dump_priors({"net": prior})
