"""The DAG's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightfit.deployment.generate_dag import read_settings

pytestmark = pytest.mark.whole


def test_shipped_settings_are_read(project_path: Path) -> None:
    settings = read_settings(project_path / "conf" / "airflow" / "airflow.yml")

    assert settings.schedule is None
    assert settings.pools == dict.fromkeys(("evaluation", "refit", "http_load"), "rightfit_timing")
    settings.check_stages({"training", "evaluation", "refit", "http_load"})


def test_wrong_settings_are_named(project_path: Path, tmp_path: Path) -> None:
    text = (project_path / "conf" / "airflow" / "airflow.yml").read_text()
    wrong = tmp_path / "airflow.yml"
    wrong.write_text(text.replace("retries: 2", "retries: -1").replace("catchup:", "catch_up:"))

    with pytest.raises(ValueError, match=r"(?s)catchup.*retries.*catch_up"):
        read_settings(wrong)


def test_unknown_stages_are_named(project_path: Path) -> None:
    settings = read_settings(project_path / "conf" / "airflow" / "airflow.yml")

    with pytest.raises(ValueError, match=r"name the stages \['evaluation', 'http_load', 'refit'\]"):
        settings.check_stages({"training"})
