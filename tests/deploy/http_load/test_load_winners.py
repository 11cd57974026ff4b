"""The pipeline's node loads the winners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from factories.exports import make_model
from factories.studies import APPLICATIONS, make_measured, make_raw, rank

from rightfit._core.processes.json_store import JsonStore
from rightfit.data.request_path.encoder import Encoder
from rightfit.params.applications import ApplicationsParams
from rightfit.params.defaults import read_default
from rightfit.ranking.explanation.decisions import write_recommendations
from rightfit_deploy.http_load import loading
from rightfit_deploy.http_load.loading import HttpLoadParams, ServedWinner
from rightfit_deploy.http_load.winners import NOT_STORED, load_winners
from rightfit_kedro.parameters import BLOCKS

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
def test_the_winner_is_loaded_where_it_is_stored(
    is_stored: bool, loaded: list[str], tmp_path: Path, project_path: Path
) -> None:
    model = make_model(tmp_path / "chosen")
    changes = {"scenarios": ["single_stream"]}
    params = HttpLoadParams.model_validate(read_default("http_load", BLOCKS["http_load"]) | changes)
    stored: dict[str, Any] = {
        "landsat.rows": make_raw().with_columns(part=pl.lit("test")),
        "landsat.encoder": Encoder.model_validate(model.encoder),
        "landsat.data_card": model.data_card,
        "landsat.linear.candidates": {"linear-000": model.bundle} if is_stored else {},
    }
    recommendations = write_recommendations(rank(make_measured(model.bundle)))
    curves = load_winners(
        recommendations,
        ApplicationsParams.model_validate(APPLICATIONS),
        params,
        JsonStore(tmp_path / "measurements"),
        **stored,
    )

    assert loaded == [model.bundle.sha256] * is_stored
    assert {load.reason for load in curves.loads if load.candidate == "linear-000"} == {
        "loaded" if is_stored else NOT_STORED
    }
