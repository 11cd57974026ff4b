"""Kill a run's processes at random moments; the next run must go on, and lose nothing."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import optuna
import psutil
from optuna.trial import TrialState
from outcomes import PATIENCE_S, Command, try_command

from rightfit.models.bundle import read_bundle
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.studies.trial_attributes import configuration_index, finished_trials

TARGETS = {  # a part of the command line
    "the main process": "",
    "a search process": "rightfit_search.searching",
    "a measured worker": "rightfit.measuring",
}
MODELS = ("linear", "forest")
N_TRIALS = 6
LONGEST_S = 14.0  # after which the first run may be over
END_S = 60.0  # within which what a killed process has started must end


def try_kill(project: Path, data: Path, target: str, draw: random.Random) -> tuple[str, str]:
    """Start a run, kill one of its processes at a random moment, and run again.

    Args:
        project: Where the command runs.
        data: Root of the data; holds the raw tables.
        target: One of :data:`TARGETS`.
        draw: Chooses the moment and the process.

    Returns:
        The kind of outcome and what was seen.
    """
    grid = {"datasets": ["landsat"], "models": list(MODELS)}
    params = {"grid": grid, "training": {"n_trials": N_TRIALS}, "data_root": str(data)}
    config = data.with_suffix(".yml")  # a list fits into no --params
    run = {"env": "test", "pipelines": "perf", "params": params}
    config.write_text(json.dumps({"run": run}), encoding="utf-8")
    words = [str(Path(sys.executable).parent / "kedro"), "run", "--config", str(config)]
    process = subprocess.Popen(
        words, cwd=project, start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    known = _kill_one(process, TARGETS[target], draw)
    try:
        process.wait(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return "hangs", target
    _, left = psutil.wait_procs(known, timeout=END_S)
    if left:
        return "orphans", str(left)
    again = Command("again", words, must_fail=False)
    kind, detail = try_command(again, project)
    faults = [fault for model in MODELS for fault in find_losses(data, model)]
    return ("losses", str(faults)) if kind == "clear" and faults else (kind, detail)


def find_losses(data: Path, model: str) -> list[str]:
    """Compare what a search has stored with what it should have: no trial twice, bundles whole."""
    store = StudyStore(data / "06_models" / "studies", storage=None).cell(f"landsat.{model}")
    faults = []
    names = optuna.get_all_study_names(store.open())
    for name in names:
        study = optuna.load_study(study_name=name, storage=store.open())
        finished = finished_trials(study)
        draws = Counter(configuration_index(trial) for trial in finished)
        if sorted(draws.elements()) != list(range(N_TRIALS)):
            faults.append(f"{name}: draws {dict(draws)}")
        if len(study.trials) > N_TRIALS + 2:  # one search process works on one trial
            faults.append(f"{name}: {len(study.trials)} records of {N_TRIALS} trials")
        for trial in finished:
            if trial.state == TrialState.COMPLETE:
                read_bundle(store.bundle_folder(name, trial.number))
    return faults if names else [f"{model}: no study"]


def _kill_one(
    process: subprocess.Popen[bytes], part: str, draw: random.Random
) -> set[psutil.Process]:
    """Kill the run, or a process below it with a part in its command line, at a random moment.

    Returns:
        All processes that were seen below it.
    """
    main = psutil.Process(process.pid)
    known: set[psutil.Process] = set()
    end_s = time.monotonic() + draw.uniform(1, LONGEST_S)
    targets = [main]
    while process.poll() is None and (time.monotonic() < end_s or not targets):
        with contextlib.suppress(psutil.NoSuchProcess):
            below = main.children(recursive=True)
            known.update(below)
            targets = [one for one in below if part in " ".join(one.cmdline())] if part else [main]
        time.sleep(0.05)
    with contextlib.suppress(psutil.NoSuchProcess, IndexError):  # it was over by then
        killed = draw.choice(targets)
        words = " ".join(killed.cmdline())
        killed.kill()
        sys.stderr.write(f"killed {words[:100]}\n")
    return known
