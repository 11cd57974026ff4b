"""A model to export, and the export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from factories.data_cards import make_data_card
from factories.studies import (
    ENVIRONMENT,
    VERSION,
    fit_encoder,
    make_bundle,
    make_measured,
    make_raw,
    rank,
)
from rightfit.data.request_path.encoder import name_features
from rightfit.exporting.model_call import Model
from rightfit.measuring.profile import Profile
from rightfit.models.schema import InputSchema
from rightfit.ranking.explanation.answer import Answer, Origin
from rightfit_search.families.family import TrainingData
from rightfit_search.tables.encoding import apply_encoder

CLASSES = ("low", "middle", "high")


def make_model(folder: Path) -> Model:
    """A small trained candidate with its encoder, in a folder of the bundle."""
    raw = make_raw()
    encoder = fit_encoder(raw)
    rows = np.ascontiguousarray(apply_encoder(encoder, raw).to_numpy(), dtype=np.float32)
    schema = InputSchema(name_features(encoder), CLASSES, None)
    data = TrainingData(rows, raw["label"].to_numpy(), schema)
    return Model(make_bundle(folder, data), encoder.model_dump(mode="json"), make_data_card())


def choose(model: Model, application: str = "web_api", **changes: Any) -> Answer:
    """Rank a model for a hand-made application."""
    profiles = make_measured(model.bundle)
    recommendation = rank(profiles)[application]
    decision = recommendation.datasets["landsat"]
    assert decision.subject is not None
    return Answer(
        application=application,
        dataset="landsat",
        purpose=recommendation.description,
        decision=decision,
        profiles=tuple(
            Profile.from_row(row | changes)
            for row in profiles.to_dicts()
            if row["candidate"] == decision.subject.candidate
        ),
        origin=Origin(VERSION, VERSION, None, ENVIRONMENT),
    )
