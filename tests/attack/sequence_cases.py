"""Random sequences of commands on one data root, disturbed; the end must be an undisturbed run's.

``python tests/attack/sequence_cases.py FIRST N`` plays the sequences FIRST, FIRST + 1, … and writes
a line of JSON for each; the number decides the sequence, except for what two runs do at once. With
``--kills`` each sequence is ten runs on a new data root that are killed at random moments, or all
in one step of the training. Each command is a fork of this process, which has imported all that a
run imports. It is disturbed at a file operation, not at a time, so that the same number disturbs it
at the same place again. Costs are not timed (``fakes.fixed_costs``), so that rankings can be
compared as well.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import importlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rightfit_search.searching.tasks import Task, TaskResult

PROJECT = Path(__file__).parents[2]
FORKS = multiprocessing.get_context("fork")
N_ROWS = 120
N_TABLES = N_WISHES = 2  # raw tables, and sets of applications
N_TRIALS, N_CHECKPOINTS = 4, 2
MAX_STEPS = 4
LAST_OPERATION = 700  # of a whole run
N_KILLS = 10  # of runs on one data root, by --kills
KILLED_CPU_S = (0.3, 0.8, 1.5)  # until a kill at most; a run on a new root takes 1.5
PATIENCE_S = 100.0
OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")
YEAR_S, HOUR_S = 365 * 86_400, 3_600
OF_A_RUN = (
    "fit_", "step_time", "compute_s", "feeding_ms", "others_cores", "level_error",
    "n_runs_seen", "slowdown", "measured_in", "ranked_in",
    "model_size", "model_sha256",
)  # fmt: skip
"""Begin names of what no two runs have in common: versions, what training took, what else the
machine did, and the bytes of weights, among which skops writes addresses of memory."""
STAGES = ("data_engineering", "training", "evaluation", "ranking", "reporting")
VERBS = (
    ["which"], ["which", "-a", "page", "--json"], ["explain", "linear-000"],
    ["size", "-a", "page", "-d", "houses", "--rate", "1"], ["studies", "houses.linear"],
)  # fmt: skip
CONF: dict[str, Any] = {
    "globals.yml": {"data_root": "data"},
    "parameters_grid.yml": {"grid": {"datasets": ["houses"], "models": ["linear"]}},
    "parameters_datasets.yml": {
        "datasets": {"houses": {"tables": ["houses"], "target": {"column": "sold"}}}
    },
    "parameters_models.yml": {
        "models": {
            "linear": {
                "family": "linear",
                "fixed": {"n_epochs": 2, "learning_rate": "constant", "penalty": "l2"},
                "space": {
                    "alpha": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True},
                    "eta0": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
                },
            }
        }
    },
    "parameters_training.yml": {
        "training": {
            "n_trials": N_TRIALS, "n_checkpoints": N_CHECKPOINTS,
            "n_startup_trials": 1, "n_candidates": 3,
            "budget_cpu_s": None, "n_jobs": 1, "early_stopping": "none", "sampler": "random",
        }
    },
    "parameters_evaluation.yml": {
        "evaluation": {
            "preset": "quick", "runtimes": ["native"], "n_threads": [1],
            "presets": {"quick": {
                "screening_processes": 1, "min_processes": 1, "max_processes": 1,
            }},
        },
    },
    "parameters_http_load.yml": {"http_load": {"max_s": 0}},
    "parameters_ranking.yml": {
        "ranking": {"n_draws": 1_000, "keep_winner": False}  # no earlier ranking decides
    },
}  # fmt: skip


def write_conf(folder: Path, wishes: int) -> None:
    """Write a configuration with one of the sets of applications."""
    for name in ("base", "local"):
        (folder / name).mkdir(parents=True)
    objectives = {
        "quality": {"weight": (1, 9)[wishes], "worst": 0, "best": 1},
        "latency_p50_ms": {"weight": (9, 1)[wishes], "worst": 99, "best": 0.01, "scale": "log"},
    }
    applications = {
        "page": {"description": "?", "scenario": "single_stream", "objectives": objectives}
    }
    files = CONF | {"parameters_applications.yml": {"applications": applications}}
    for name, content in files.items():
        (folder / "base" / name).write_text(json.dumps(content), encoding="utf-8")


def write_table(root: Path, number: int) -> None:
    """Put a raw table in place of the one before."""
    import numpy as np
    import polars as pl

    draw = np.random.default_rng(number)
    size, age = draw.normal(size=N_ROWS), draw.integers(0, 9, N_ROWS)
    sold = np.where(size + 0.3 * age + draw.normal(scale=0.5, size=N_ROWS) > 1, "yes", "no")
    (root / "01_raw").mkdir(parents=True, exist_ok=True)
    table = pl.DataFrame({"size": size, "age": age, "sold": sold})
    table.write_parquet(root / "01_raw" / "new")
    (root / "01_raw" / "new").rename(root / "01_raw" / "houses.parquet")


# What a command may meet -----------------------------------------------------------------------


def at_operation(root: Path, number: int, act: Callable[[str], None]) -> None:
    """Act at a writing operation of this process below a folder, and at all that follow."""
    n_seen, below = 0, str(root)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal n_seen
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if event in OPERATIONS and str(arguments[0]).startswith(below):
            n_seen += 1
            if n_seen >= number:
                act(event)

    sys.addaudithook(watch)


def kill_self(_event: str) -> None:
    """End this process as a lack of memory or power would."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(cpu_s: float) -> None:
    """End this process at once when it has taken so many CPU seconds; no handler is asked."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)


def kill_in_step(trial: int, n_passed: int, delay_s: float) -> None:
    """End this process and its workers whenever a trial is in one of its training steps."""
    from rightfit_search.searching.parallel.forked_workers import ForkedWorkers
    from rightfit_search.searching.task_worker import TaskWorker

    submit, carry_out = ForkedWorkers.submit, TaskWorker.carry_out

    def die(task: Task) -> None:
        if (task.number, task.n_checkpoints) == (trial, n_passed):
            time.sleep(delay_s)
            os.killpg(0, signal.SIGKILL)

    def submit_and_die(self: ForkedWorkers, search: str, worker: str, task: Task) -> None:
        submit(self, search, worker, task)
        die(task)

    def die_or_carry_out(self: TaskWorker, task: Task) -> TaskResult:
        die(task)
        return carry_out(self, task)

    ForkedWorkers.submit = submit_and_die  # type: ignore[method-assign]
    TaskWorker.carry_out = die_or_carry_out  # type: ignore[method-assign]


def interrupt_self(_event: str) -> None:
    """Ask this process to end."""
    os.kill(os.getpid(), signal.SIGTERM)


def fill_disk(event: str) -> None:
    """Refuse as a full disk does."""
    if event in ("open", "os.mkdir"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def limit_files(_event: str) -> None:
    """Let no file grow beyond some hundred bytes from now on, as ``ulimit -f`` does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, resource.RLIM_INFINITY))


def replace_table(root: Path, number: int, events: list[str], event: str) -> None:
    """Replace the raw table, once."""
    events.append(event)
    if len(events) == 1:
        write_table(root, number)


def shift_clock(by_s: float) -> None:
    """Let this process read another time of day."""
    from kedro.framework.session import session
    from kedro.io import core

    from rightfit_kedro import stored_results, versions

    real_time, real_ns = time.time, time.time_ns

    def stamp() -> str:
        now = datetime.datetime.fromtimestamp(real_time() + by_s, tz=datetime.UTC)
        return now.strftime("%Y-%m-%dT%H.%M.%S.") + f"{now.microsecond // 1_000:03d}Z"

    vars(time)["time"] = lambda: real_time() + by_s
    vars(time)["time_ns"] = lambda: real_ns() + int(by_s * 1e9)
    for module in (session, core, stored_results, versions):
        vars(module)["generate_timestamp"] = stamp


def disturb(draw: random.Random, root: Path) -> tuple[str, Callable[[], None]]:
    """Draw what a command meets; return its name and what makes a process meet it."""
    number = draw.choice([draw.randint(1, 40), draw.randint(1, LAST_OPERATION)])
    acts: dict[str, Callable[[str], None]] = {
        "killed": kill_self,
        "asked to end": interrupt_self,
        "full disk": fill_disk,
        "limited files": limit_files,
        "table replaced": partial(replace_table, root, draw.randrange(N_TABLES), []),
    }
    clocks = {"an hour earlier": -HOUR_S, "a year later": YEAR_S}
    name = draw.choice(["nothing", "killed", "killed", *acts, *clocks])
    if name in acts:
        return f"{name} at {number}", partial(at_operation, root, number, acts[name])
    return name, partial(shift_clock, clocks[name]) if name in clocks else lambda: None


# Commands, each in a process of its own ---------------------------------------------------------


def run(root: Path, conf: Path, **options: Any) -> None:
    """Run as ``kedro run`` does."""
    from rightfit_kedro.run import RightfitSession

    given = {"data_root": str(root)}
    session = RightfitSession.create(PROJECT, conf_source=str(conf), runtime_params=given)
    with session:
        session.run(**options)


def ask(root: Path, conf: Path, *words: str) -> str:
    """Ask a verb; return what it says."""
    from click import ClickException
    from click.testing import CliRunner

    from rightfit.cli.verb_group import verbs

    place = ["--data-root", str(root), "--conf-source", str(conf)]
    result = CliRunner().invoke(verbs, [*words, *place])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if result.exit_code:
        raise ClickException(result.output)
    return result.stdout


def digest(root: Path, conf: Path) -> str:
    """Return all of the newest results that must not differ between two runs, as JSON."""
    import polars as pl

    def find(
        result: str,
    ) -> Path:  # a run is named behind all earlier ones, whatever the clock says
        return max((root / result).iterdir())

    def read(result: str) -> list[dict[str, Any]]:
        table = pl.read_parquet(find(result) / Path(result).name)
        return json.loads(table.write_json())

    candidates = find("06_models/houses/linear/candidates")
    content = {
        "answer": json.loads(ask(root, conf, "which", "-a", "page", "--json")),
        "weights": sorted(map(hash_arrays, candidates.rglob("weights.skops"))),
        "trials": read("07_model_output/houses/linear/trials.parquet"),
        "profiles": read("07_model_output/resource_profiles.parquet"),
        "rankings": read("08_reporting/rankings.parquet"),
    }
    return json.dumps(leave_out(content), indent=1, sort_keys=True)


def hash_arrays(weights: Path) -> list[str]:
    """Hash the arrays of weights."""
    with zipfile.ZipFile(weights) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        return sorted(hashlib.sha256(archive.read(name)).hexdigest() for name in names)


def leave_out(content: Any) -> Any:
    """Return JSON without the fields of :data:`OF_A_RUN`."""
    if isinstance(content, dict):
        return {
            key: leave_out(value) for key, value in content.items() if not key.startswith(OF_A_RUN)
        }
    return [leave_out(one) for one in content] if isinstance(content, list) else content


def start(
    folder: Path, act: Callable[[], Any], meet: Callable[[], None] = lambda: None
) -> BaseProcess:
    """Start a process that acts, and writes its end to ``folder/end.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    process = FORKS.Process(target=_play, args=(folder, act, meet))
    process.start()
    return process


def _play(folder: Path, act: Callable[[], Any], meet: Callable[[], None]) -> None:
    from click import ClickException

    from rightfit._core.errors import RightfitError

    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    end = os.open(folder / "end.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        meet()
        kind, detail = "clear", act()
    except (RightfitError, ClickException) as err:
        kind, detail = "refused", str(getattr(err, "message", err))
    except BaseException:
        kind, detail = "tracebacks", traceback.format_exc()
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    os.write(end, json.dumps([kind, detail]).encode())
    os._exit(0)


def await_end(process: BaseProcess, folder: Path) -> tuple[str, Any]:
    """Return how a process has ended: clear, refused, killed, tracebacks, hangs or orphans."""
    process.join(PATIENCE_S)
    if process.exitcode is None:
        os.killpg(process.pid or 0, signal.SIGKILL)
        return "hangs", (folder / "log.txt").read_text()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid or 0, signal.SIGKILL)
        if process.exitcode == 0:
            return "orphans", ""
    text = (folder / "end.json").read_text()
    kind, detail = json.loads(text) if text else ("killed", process.exitcode)
    return kind, detail


def play(
    folder: Path, act: Callable[[], Any], meet: Callable[[], None] = lambda: None
) -> tuple[str, Any]:
    """Act in a process and await its end."""
    return await_end(start(folder, act, meet), folder)


# Sequences --------------------------------------------------------------------------------------


def damage(root: Path, draw: random.Random) -> str:
    """Damage a stored file in one of four ways; return what was done."""
    paths = sorted(
        path for path in root.rglob("*")
        if path.is_file() and "01_raw" not in path.parts and path.stat().st_size
    )  # fmt: skip
    if not paths:
        return "nothing to damage"
    path = draw.choice(paths)
    content = bytearray(path.read_bytes())
    how = draw.choice(["one bit", "truncated", "empty", "swapped"])
    if how == "one bit":
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif how == "swapped":
        other = draw.choice([one for one in paths if one.suffix == path.suffix])
        content, swapped = bytearray(other.read_bytes()), bytes(content)
        other.write_bytes(swapped)
        how += f" with {other.relative_to(root)}"
    else:
        del content[0 if how == "empty" else draw.randrange(len(content)) :]
    path.write_bytes(bytes(content))
    return f"{how}: {path.relative_to(root)}"


def draw_command(draw: random.Random, names: Names) -> tuple[str, dict[str, Any]]:
    """Draw a run: whole, one stage, from a node on, or nodes by tag or name."""
    options: dict[str, Any] = draw.choice([
        {}, {}, {},
        {"pipeline_names": [draw.choice(STAGES)]},
        {"from_nodes": [draw.choice(names.nodes)]},
        {"node_names": draw.sample(names.nodes, 2)},
        {"tags": [draw.choice(names.tags)]} if names.tags else {},
    ])  # fmt: skip
    return str(options), {"pipeline_names": ["perf"]} | options


class Names(NamedTuple):
    """Names of the nodes of a run, and their tags."""

    nodes: list[str]
    tags: list[str]


class Study:
    """A data root, and the ends of undisturbed runs on it.

    Args:
        folder: An empty folder.
        names: Nodes and tags of a run.
    """

    def __init__(self, folder: Path, names: Names) -> None:
        self.names = names
        self.folder, self.root = folder, folder / "data"
        self.confs = [folder / f"conf{wishes}" for wishes in range(N_WISHES)]
        for wishes, conf in enumerate(self.confs):
            write_conf(conf, wishes)
        self.ends: dict[tuple[int, int], str] = {}

    def act(self, act: Callable[[], Any]) -> Any:
        """Act in a process; return what it returns."""
        kind, detail = play(self.folder / "play", act)
        if kind != "clear":
            raise RuntimeError(f"{kind}: {detail}")
        return detail

    def run_undisturbed(self) -> None:
        """Run on a new root for each raw table and set of applications; keep the first root."""
        for table in range(N_TABLES):
            shutil.rmtree(self.root, ignore_errors=True)
            for wishes, conf in enumerate(self.confs):
                self.act(partial(write_table, self.root, table))
                self.act(partial(run, self.root, conf, pipeline_names=["perf"]))
                self.ends[table, wishes] = self.act(partial(digest, self.root, conf))
                if (table, wishes) == (0, 0):
                    shutil.copytree(self.root, self.folder / "kept")

    def play_sequence(self, number: int) -> dict[str, Any]:
        """Play a sequence; return its steps and its first fault."""
        draw = random.Random(number)  # noqa: S311 -- no secret
        shutil.rmtree(self.root, ignore_errors=True)
        steps: list[str] = []
        if draw.random() < 0.7:
            shutil.copytree(self.folder / "kept", self.root)
        else:
            self.act(partial(write_table, self.root, 0))
            steps.append("new root")
        fault = None
        for _ in range(draw.randint(1, MAX_STEPS)):
            step, fault = self.play_step(draw)
            steps.append(step)
            if fault:
                break
        end = draw.randrange(N_TABLES), draw.randrange(N_WISHES)
        return {"number": number, "steps": steps, **(fault or self.compare_end(steps, *end))}

    def play_kills(self, number: int) -> dict[str, Any]:
        """Kill ten runs on a new root, each at a random moment; compare what comes of it.

        Of every other number all die in the same step of the same trial.
        """
        draw = random.Random(number)  # noqa: S311 -- no secret
        trial, n_passed = draw.randrange(N_TRIALS), draw.randrange(N_CHECKPOINTS)
        shutil.rmtree(self.root, ignore_errors=True)
        self.act(partial(write_table, self.root, 0))
        steps, kind = list[str](), "killed"
        for _ in range(N_KILLS):  # a run that has nothing left to do takes a fifth of the time
            longest_s = draw.choice(KILLED_CPU_S) if kind == "killed" else KILLED_CPU_S[0]
            if number % 2:
                when = f"in step {n_passed} of trial {trial}"
                meet = partial(kill_in_step, trial, n_passed, draw.uniform(0, longest_s / 5))
            else:
                cpu_s = draw.uniform(0.01, longest_s)
                when, meet = f"after {cpu_s:.2f} CPU seconds", partial(kill_after, cpu_s)
            act = partial(run, self.root, self.confs[0], pipeline_names=["perf"])
            kind, detail = play(self.folder / "play", act, meet)
            steps.append(f"killed {when}: {kind}")
            if kind not in (("killed",) if number % 2 else ("clear", "killed")):
                return {"number": number, "steps": steps, "kind": kind, "detail": str(detail)}
        return {"number": number, "steps": steps, **self.compare_end(steps, 0, 0)}

    def play_step(self, draw: random.Random) -> tuple[str, dict[str, Any] | None]:
        """Change something, and give a command that may be disturbed, or two of them at once."""
        name, meet = disturb(draw, self.root)
        conf = draw.choice(self.confs)
        changes = [f"wishes {conf.name[-1]}"]
        if draw.random() < 0.3:
            table = draw.randrange(N_TABLES)
            self.act(partial(write_table, self.root, table))
            changes.append(f"table {table}")
        if draw.random() < 0.3:
            changes.append(damage(self.root, draw))
        command, options = draw_command(draw, self.names)
        if draw.random() < 0.2:
            return self.ask_damaged(draw, changes, conf)
        plays = [(self.folder / "play", partial(run, self.root, conf, **options), meet)]
        if draw.random() < 0.2:
            other = partial(run, self.root, draw.choice(self.confs), pipeline_names=["perf"])
            plays.append((self.folder / "other", other, lambda: None))
            command += " and another run"
        started = [(start(*one), one[0]) for one in plays]
        ends = [await_end(*one) for one in started]
        step = f"{', '.join(changes)}: {command}, {name}: {[kind for kind, _ in ends]}"
        for kind, detail in ends:
            if kind in ("tracebacks", "hangs", "orphans"):
                return step, {"kind": kind, "detail": str(detail)}
        return step, None

    def ask_damaged(
        self, draw: random.Random, changes: list[str], conf: Path
    ) -> tuple[str, dict[str, Any] | None]:
        """Ask a verb before and after some damage: it says the same, after warnings, or refuses."""
        words = draw.choice(VERBS)
        act = partial(ask, self.root, conf, *words)
        before = play(self.folder / "play", act)
        changes.append(damage(self.root, draw))
        after = play(self.folder / "play", act)
        step = f"{', '.join(changes)}: {words}: {before[0]}, {after[0]}"
        for kind, detail in (before, after):
            if kind not in ("clear", "refused"):
                return step, {"kind": kind, "detail": str(detail)}
        if after[0] == "clear" != before[0] or (
            after[0] == before[0] == "clear" and not after[1].endswith(before[1])
        ):
            return step, {"kind": "wrong_numbers", "detail": f"{before}\n{after}"}
        return step, None

    def compare_end(self, steps: list[str], table: int, wishes: int) -> dict[str, Any]:
        """Run undisturbed, and compare what comes of it."""
        conf = self.confs[wishes]
        self.act(partial(write_table, self.root, table))
        steps.append(f"table {table}, wishes {wishes}: the end")
        kind, detail = play(
            self.folder / "play", partial(run, self.root, conf, pipeline_names=["perf"])
        )
        if kind != "clear":
            return {"kind": "losses" if kind == "refused" else kind, "detail": str(detail)}
        kind, detail = play(self.folder / "play", partial(digest, self.root, conf))
        if kind != "clear":
            return {"kind": "losses" if kind == "refused" else kind, "detail": str(detail)}
        if detail != self.ends[table, wishes]:
            return {
                "kind": "sequences_differ",
                "detail": first_difference(self.ends[table, wishes], detail),
            }
        return {"kind": "clear", "detail": ""}


def first_difference(wanted: str, seen: str) -> str:
    """Return the first lines that differ."""
    lines = zip(wanted.splitlines(), seen.splitlines(), strict=False)
    return next((f"{one!r} is {other!r}" for one, other in lines if one != other), "length")


def import_all(folder: Path) -> Names:
    """Import all that a run imports, without running it here: threads survive no fork."""
    from fakes.fixed_costs import fix_costs
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(PROJECT)
    fix_costs()
    study = Study(folder, Names([], []))

    def list_names() -> list[list[str]]:
        from kedro.framework.project import pipelines

        write_table(study.root, 0)
        run(study.root, study.confs[0], pipeline_names=["perf"])
        digest(study.root, study.confs[0])
        nodes = pipelines["perf"].nodes
        tags = sorted({tag for node in nodes for tag in node.tags})
        return [sorted(node.name for node in nodes), tags, sorted(sys.modules)]

    nodes, tags, modules = study.act(list_names)
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    return Names(nodes, tags)


def main() -> None:
    """Play sequences."""
    first, n_sequences, kills = int(sys.argv[1]), int(sys.argv[2]), "--kills" in sys.argv[3:]
    os.chdir(PROJECT)
    with tempfile.TemporaryDirectory(prefix="rightfit-attack-") as folder:
        study = Study(Path(folder) / "study", import_all(Path(folder) / "imports"))
        study.run_undisturbed()
        for number in range(first, first + n_sequences):
            played = study.play_kills(number) if kills else study.play_sequence(number)
            sys.stdout.write(f"{json.dumps(played)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    sys.path += [str(PROJECT / "tests" / "support"), str(PROJECT / "tests" / "attack")]
    main()
