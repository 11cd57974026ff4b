from __future__ import annotations

from pathlib import Path

import pytest
from factories.exports import choose, make_model

from rightfit.exporting.export_folder import export_model
from rightfit.exporting.model_call import Model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return make_model(tmp_path_factory.mktemp("made") / "linear-000")


@pytest.fixture(scope="session")
def exported(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "out"
    export_model(choose(model), model, folder, with_server=True)
    return folder
