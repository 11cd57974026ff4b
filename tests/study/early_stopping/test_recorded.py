from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rightfit.measuring.serving import Serving
from rightfit_search.searching.pausing import priors
from rightfit_search.searching.pausing.costs import CostLine
from rightfit_search.searching.pausing.priors import SHIPPED, Prior
from rightfit_search.searching.pausing.quality_projection import StepPrior
from rightfit_study.early_stopping.recorded import dump_priors, learn_quality_prior

pytestmark = pytest.mark.whole


def test_priors_are_learnt_from_whole_searches() -> None:
    curves = np.array([[0.4 + i / 100, 0.5 + i / 200] for i in range(10)])

    (step,) = learn_quality_prior([curves])

    assert step.rise == pytest.approx(0.06, abs=0.005)
    assert step.slope == pytest.approx(0.5)
    assert step.spread == pytest.approx(0, abs=1e-9)


def test_priors_are_written_as_the_library_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = CostLine(1.0, {"n_parameters": 2.0}, 0.1)
    prior = Prior(
        (StepPrior(0.1, 0.9, 0.01),), {(Serving("onnx", 1, "cpu"), "model_size_mib"): line}
    )

    (tmp_path / SHIPPED).write_text(dump_priors({"net": prior}))
    monkeypatch.setattr(priors, "files", lambda _package: tmp_path)

    uncached = priors.read_shipped_prior.__wrapped__  # other tests need what is shipped
    assert uncached("net") == prior
