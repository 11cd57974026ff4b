"""A newcomer's first steps; `make test-core` takes them with the core and scikit-learn alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rightfit as rf

pytestmark = [pytest.mark.whole, pytest.mark.long]

X, X_TEST, Y, Y_TEST = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)
MODELS = {
    "linear": make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
    "forest": RandomForestClassifier(n_estimators=100, random_state=0).fit(X, Y),
    "boosting": HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, Y),
}
QUALITY = rf.Objective(weight=3, worst=0.5, best=1.0)
APPLICATIONS = {
    "diagnosis": rf.Application(
        description="a second opinion overnight",
        scenario="offline",
        objectives={"quality": QUALITY},
    ),
    "bedside": rf.Application(
        description="an answer while the patient waits",
        scenario="single_stream",
        objectives={
            "quality": QUALITY,
            "latency_p50_ms": rf.Objective(weight=1, worst=100, best=0.01, scale="log"),
        },
        constraints={"model_size_mib": rf.Constraint(max=0.02)},  # the linear model alone
    ),
}


@pytest.fixture(scope="module")
def profiles() -> rf.Profiles:
    return rf.compare(MODELS, X_TEST, Y_TEST, runtimes=["native"])


def test_each_model_is_measured_with_its_own_quality(profiles: rf.Profiles) -> None:
    qualities = {row["candidate"]: row["quality_raw"] for row in profiles.table.to_dicts()}

    assert qualities == pytest.approx(
        {name: np.mean(model.predict(X_TEST) == Y_TEST) for name, model in MODELS.items()}
    )
    assert (profiles.table["latency_p50_ms"] > 0).all()
    assert (profiles.table["peak_memory_mib"] > profiles.table["model_size_mib"]).all()


def test_applications_choose_what_suits_them(profiles: rf.Profiles, tmp_path: Path) -> None:
    ranking = rf.rank(profiles, APPLICATIONS)
    bedside = ranking.winner("bedside")

    assert bedside is not None
    assert bedside.candidate == "linear"
    assert ranking.winner("diagnosis") is not None
    assert "bedside" in ranking.report(tmp_path / "report.html").read_text(encoding="utf-8")
