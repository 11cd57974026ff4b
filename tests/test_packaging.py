"""The packaged project runs in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = [pytest.mark.whole, pytest.mark.long]

SOURCES = ("conf", "pyproject.toml", "README.md", "LICENSE", "src")


def run(command: list[str | Path], folder: Path, **environment: str) -> str:
    result = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=os.environ | {"KEDRO_DISABLE_TELEMETRY": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def package(project_path: Path, tmp_path: Path) -> Path:
    """Build the wheel from a copy of the sources; return the folder with what was built."""
    copy = tmp_path / "sources"
    copy.mkdir()
    for name in SOURCES:
        source = project_path / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("*.egg-info"))
        else:
            shutil.copy(source, copy / name)
    run([sys.executable, "-m", "kedro", "package"], copy)
    return copy / "dist"


@pytest.mark.slow
def test_wheel_runs_elsewhere_with_its_configuration(
    package: Path, sample_data: Path, tmp_path: Path
) -> None:
    wheel, conf = next(package.glob("*.whl")), next(package.glob("conf-*.tar.gz"))
    packed = ZipFile(wheel).namelist()
    assert not [
        name for name in packed if re.search(r"rightfit_study|early_stopping|s_training_c", name)
    ]
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    run([*pip, installed, wheel], tmp_path)
    (elsewhere / "data").mkdir(parents=True)
    (elsewhere / "data" / "01_raw").symlink_to(sample_data)

    run(
        [
            *(sys.executable, "-m", "rightfit", "--pipelines", "perf", "--env", "test"),
            *("--conf-source", conf, "--params", "grid.datasets=[landsat],grid.models=[linear]"),
        ],
        elsewhere,
        PYTHONPATH=str(installed),
    )

    for result in ("resource_profiles.parquet", "landsat/linear/trials.parquet"):
        assert list((elsewhere / "data" / "07_model_output" / result).glob("*/*.parquet"))
    assert (elsewhere / "data" / "08_reporting" / "report.html").is_file()

    export = [sys.executable, "-m", "rightfit", "export", "--application", "accuracy_first"]
    run(
        [*export, "--dataset", "landsat", "--conf-source", conf, "--env", "test", "out"],
        elsewhere,
        PYTHONPATH=str(installed),
    )
    assert (elsewhere / "out" / "README.md").is_file()
