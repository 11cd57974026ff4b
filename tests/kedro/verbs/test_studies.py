from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from rightfit_kedro.verbs.studies import find_studies

pytestmark = pytest.mark.whole


@dataclass
class Store:
    folder: Path
    storage: str | None


def test_one_database_for_all_needs_no_cell(tmp_path: Path) -> None:
    assert find_studies(Store(tmp_path, "postgresql://host/db"), None) == "postgresql://host/db"


def test_nothing_searched_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kedro run --pipelines training"):
        find_studies(Store(tmp_path, None), "landsat.net")
