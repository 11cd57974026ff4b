"""Commands that must be refused, and surroundings in which one must succeed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from outcomes import Command
from verb_cases import write_model

ODD_VARIABLES: tuple[dict[str, str], ...] = (
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0"},
    {"TERM": "dumb"},
    {"COLUMNS": "1"},
    {"PYTHONOPTIMIZE": "2"},
    {"HOME": "/proc/nowhere"},
)
NO_NETWORK = ["unshare", "--map-root-user", "--net"]


def kedro(pipeline: str, params: str) -> list[str]:
    """Return the command that runs a pipeline with parameters."""
    program = str(Path(sys.executable).parent / "kedro")
    return [program, "run", "--pipelines", pipeline, "--env", "test", "--params", params]


def list_commands(data: Path, place: Path) -> Iterator[Command]:
    """List commands that must be refused, and surroundings in which one must succeed."""
    root = f"grid.datasets=landsat,grid.models=linear,data_root={data}"
    refused = {
        "training.n_trials=-1": "training.n_trials",
        "training.n_trials=.nan": "training.n_trials",
        "training.n_trails=3": "n_trails",
        "trainnig.n_trials=3": "did you mean 'training'",
        "n_trials=3": "training.n_trials",
        "unheard_of=3": "unheard_of",
        "ranking.n_draws=1e15": "ranking.n_draws",
        "ranking.seed=18446744073709551616": "ranking.seed",
        "ranking.confidence_level=.inf": "ranking.confidence_level",
        "evaluation.preset=quik": "evaluation.preset",
        "evaluation.seed=true": "evaluation.seed",
        "evaluation.n_threads=all": "evaluation.n_threads",
        "models.linear.fixed.n_epochs=0": "n_epochs",
        "models.linear.fixed.learning_rate=fastest": "learning_rate",
        "applications.web_api.objectives.quality.weight=1e308": "weight",
        "datasets.landsat.quality.name=roc_auc": "roc_auc",
        "grid.datsets=landsat": "datsets",
        "training=": "training",
        "applications=": "applications",
        "data_root=": "data_root",
        "data_root=~/x": "data_root",
        "grid.datasets=[landsat": "cannot be read",
        "grid.datasets={landsat": "cannot be read",
        "grid=${x": "cannot be read",
        f"training.seed={'9' * 5_000}": "cannot be read",
        f"training.seed={'[' * 5_000}": "cannot be read",
        ".training=3": "--params sets ''",
    }
    for given, told in refused.items():
        params = given if given.startswith("data_root") else f"{root},{given}"
        yield Command(f"--params {given[:60]}", kedro("perf", params), told=["Error:", told])
    several = "training.n_trials=-1,ranking.seed=-1,evaluation.seed=-1"
    yield Command(
        "three blocks at once", kedro("perf", f"{root},{several}"),
        told=["training.n_trials", "ranking.seed", "evaluation.seed"],
    )  # fmt: skip
    for pipeline in ("ranking", "reporting", "evaluation"):
        empty = root.replace(str(data), str(place / "nothing"))
        yield Command(f"{pipeline} without results", kedro(pipeline, empty), told=["Error:"])
    (place / "file").write_text("a file", encoding="utf-8")
    for name in (str(place / "file"), "/proc/study", f"{data}/{'x' * 300}", f"{data}[1]", "a*b"):
        params = f"grid.datasets=landsat,grid.models=linear,data_root={name}"
        yield Command(f"data_root={name[:60]}", kedro("perf", params), told=["Error:"])
    for option, name in (
        ("--tags", "nope"),
        ("--pipelines", "prf"),
        ("--load-versions", "landsat.data_crad:1"),
        ("--load-versions", "garbage"),
    ):
        words = [*kedro("perf", root), option, name]
        yield Command(f"{option} {name}", words, told=["Error:", name.split(":")[0]])
    yield from list_surroundings(data, root)


def list_surroundings(data: Path, root: str) -> Iterator[Command]:
    """List surroundings in which a run must succeed, or be refused before it starts."""
    good = " ".join(f"'{word}'" for word in kedro("data_engineering", root))
    for redirect in (">/dev/full", ">&-", "2>&-", ">/dev/full 2>/dev/full", "| head -c 1"):
        line = f"set -o pipefail; {good} {redirect}"
        yield Command(f"output {redirect}", ["bash", "-c", line], must_fail=False)
    for variables in ODD_VARIABLES:
        yield Command(
            f"with {variables}", kedro("data_engineering", root), must_fail=False,
            environment=variables,
        )  # fmt: skip
    if (
        shutil.which("unshare")
        and subprocess.run([*NO_NETWORK, "true"], check=False).returncode == 0
    ):
        words = [*NO_NETWORK, *kedro("perf", root)]
        yield Command("without a network", words, must_fail=False)
    write_model(data.parent / "good.onnx")
    words = [str(Path(sys.executable).with_name("rightfit")), "measure", "good.onnx"]
    yield Command(
        "with warnings as errors", ["env", "-C", str(data.parent), *words], must_fail=False,
        environment={"PYTHONWARNINGS": "error"},
    )  # fmt: skip
    for name in ("a b", "q?", "h#", "p%20", "données", "quote'd", "am&p"):
        odd = data.parent / name
        shutil.copytree(data, odd, symlinks=True)
        params = root.replace(str(data), str(odd))
        yield Command(f"in {name}", kedro("data_engineering", params), must_fail=False)
    blocked = data.parent / "blocked"
    shutil.copytree(data, blocked, symlinks=True)
    (blocked / "08_reporting").write_text("no folder", encoding="utf-8")
    yield Command(
        "08_reporting is a file", kedro("perf", root.replace(str(data), str(blocked))),
        told=["08_reporting", "cannot be written"],
    )  # fmt: skip
    for name, content in {"empty": b"", "garbage": b"\0" * 999}.items():
        bad = data.parent / name
        (bad / "01_raw").mkdir(parents=True)
        (bad / "01_raw" / "landsat.parquet").write_bytes(content)
        params = root.replace(str(data), str(bad))
        yield Command(f"raw table is {name}", kedro("data_engineering", params), told=["landsat"])
