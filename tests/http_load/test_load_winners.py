"""The pipeline's node loads the model that is shipped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from factories.exports import make_model
from factories.studies import APPLICATIONS, make_measured, make_raw, rank

from rightfit.http_load import loading
from rightfit.http_load.loading import HttpLoadParams, ServedWinner
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.defaults import read_default
from rightfit.pipelines.http_load.nodes import NOT_STORED, load_winners
from rightfit.processes.json_store import JsonStore
from rightfit.ranking.explanation.decisions import write_recommendations
from rightfit.ranking.explanation.shipping import Refit, Refits
from rightfit.request_path.encoder import Encoder

pytestmark = pytest.mark.whole


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hashes of the bundles that would have been served."""
    hashes: list[str] = []

    def load(winner: ServedWinner, **_: Any) -> None:
        hashes.append(winner.model.bundle.sha256)
        raise RuntimeError("loaded")

    monkeypatch.setattr(loading, "load_winner", load)
    return hashes


@pytest.mark.parametrize("is_stored", [True, False])
def test_the_refitted_model_is_loaded(
    is_stored: bool, loaded: list[str], tmp_path: Path, project_path: Path
) -> None:
    chosen = make_model(tmp_path / "chosen")
    refitted = replace(chosen.bundle, sha256="of the refit")
    changes = {"scenarios": ["single_stream"]}
    params = HttpLoadParams.model_validate(read_default("http_load") | changes)
    made = Refit(candidate="linear-000", model="linear", quality_raw=(0.8,), sha256=refitted.sha256)
    profiles = make_measured(chosen.bundle).with_columns(quality_raw=pl.col("quality"))
    recommendations = write_recommendations(rank(profiles, landsat=Refits(found=(made,))))
    stored: dict[str, Any] = {
        "landsat.rows": make_raw().with_columns(part=pl.lit("test")),
        "landsat.encoder": Encoder.model_validate(chosen.encoder),
        "landsat.data_card": chosen.data_card,
        "landsat.linear.candidates": {"linear-000": chosen.bundle},
        "landsat.refitted": {"linear-000": refitted} if is_stored else {},
    }
    found = load_winners(
        recommendations,
        ApplicationsParams.model_validate(APPLICATIONS),
        params,
        JsonStore(tmp_path / "measurements"),
        **stored,
    )

    assert loaded == [refitted.sha256] * is_stored
    assert {load.reason for load in found.loads if load.candidate == "linear-000"} == {
        "loaded" if is_stored else NOT_STORED
    }
