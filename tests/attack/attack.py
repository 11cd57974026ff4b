"""Attack the project with bad parameters, files, results and surroundings; count what happens.

``make attack`` runs the long form, ``make attack-quick`` a sample of it. Both use all cores and
tell how far they are; the last line is JSON, after Ctrl-C or SIGTERM as well, and the exit status
says whether every case was tried and ended in a clear way.

A new case is a line in the table of its kind (``*_cases.py``), a test in one of the :data:`SUITES`,
or another file of tests in that table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
sys.path += [str(PROJECT / "tests" / "support"), str(PROJECT / "tests" / "attack")]

import call_cases  # noqa: E402
import combination_cases  # noqa: E402
import kill_cases  # noqa: E402
import parameter_cases  # noqa: E402
import profile_cases  # noqa: E402
import store_cases  # noqa: E402
import table_cases  # noqa: E402
import verb_cases  # noqa: E402
import yaml_cases  # noqa: E402
from command_cases import kedro, list_commands  # noqa: E402
from harness.contacts import find_strace  # noqa: E402
from outcomes import SEQUENCE, Attempt, Command, Outcome, Part, Tally, try_command  # noqa: E402
from watching import try_all  # noqa: E402

from rightfit._core.processes.json_store import JsonStore  # noqa: E402
from rightfit_kedro.explain import explain  # noqa: E402
from rightfit_kedro.pipelines.data_engineering import nodes  # noqa: E402
from rightfit_search.tables.description import DatasetBlock  # noqa: E402

STAGES = ("training", "evaluation", "early_stopping", "training_costs", "ranking")
STORED = (
    "08_reporting/recommendations.json/*/*.json",
    "07_model_output/resource_profiles.parquet/*/*.parquet",
    "07_model_output/environment.json/*/*.json",
    "06_models/landsat/linear/candidates/*/candidates/*/bundle.json",
    "06_models/landsat/linear/candidates/*/candidates/*/weights.skops",
    "06_models/landsat/linear/candidates/*/candidates/*/model.onnx",
    "04_feature/landsat/encoder.json/*/*.json",
    "05_model_input/landsat/data_card.json/*/*.json",
)
N_KILLS = 3  # of each kind of process
SEQUENCES = {"": (120, 40), " --kills": (20, 20)}  # how many, and of a batch: each begins with 20 s
N_SEVERAL = 200  # cases with faults in several blocks
VALUES_OF_EACH = 3  # bad values tried for a parameter; --all: every one
SUITES = {  # files of tests, and what a failed one counts as
    "tests/attack/test_hostile_bundles.py": "code_executed",
    "tests/attack/test_measured_processes.py": "hangs",
    "tests/attack/test_failing_parts.py": "tracebacks",
    "tests/attack/test_hostile_estimators.py": "wrong_numbers",
    "tests/attack/test_other_versions.py": "wrong_numbers",
    "tests/deploy/test_exported_folder.py": "code_executed",
    "tests/deploy/test_connections.py": "hangs",
    "tests/deploy/test_strangers.py": "hangs",
    "tests/deploy/test_many_clients.py": "losses",
    "tests/core/ranking/records/test_baseline.py": "accepted_wrongly",
    "tests/kedro/test_damaged_results.py": "accepted_wrongly",
    "tests/deploy/remote/test_remote.py": "accepted_wrongly",
    "tests/core/cli/test_measure.py": "hangs",
    "tests/kedro/verbs/test_check.py": "accepted_wrongly",
    "tests/deploy/http_load/test_generator.py": "hangs",
    "tests/search/searching/parallel/test_side_by_side.py": "losses",
    "tests/core/_core/test_documents.py": "hangs",
    "tests/kedro/test_command_options.py": "tracebacks",
    "tests/test_privacy.py": "connections_outside",
    "tests/kedro/verbs/test_init_accepted.py": "accepted_wrongly",
    "tests/search/searching/test_interrupted_searches.py": "losses",
    "tests/core/models/quality/test_metric.py": "wrong_numbers",
    "tests/core/models/test_predictions.py": "wrong_numbers",
    "tests/test_row_doors.py": "doors_differ",
    "tests/core/data/request_path/test_doors.py": "doors_differ",
    "tests/core/data/request_path/test_doors_of_families.py": "doors_differ",
    "tests/core/data/request_path/test_usage.py": "doors_differ",
    "tests/core/api/test_profiles.py": "accepted_wrongly",
    "tests/core/api/test_stored_qualities.py": "wrong_numbers",
    "tests/core/api/test_rank.py": "hangs",
    "tests/core/_core/processes/test_lost_threads.py": "hangs",
    "tests/core/_core/processes/test_leftovers.py": "orphans",
    "tests/core/measuring/rounds/test_lock.py": "hangs",
    "tests/search/tables/test_teaching.py": "accepted_wrongly",
}


def main() -> int:
    """Attack; print the counts; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a sample, within a minute")
    parser.add_argument("--all", action="store_true", help="every bad value of every parameter")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts of the attack"
    )
    parser.add_argument("--processes", type=int, help="as many as cores if absent")
    asked = parser.parse_args()
    if asked.all:
        os.environ[ALL_VALUES] = "1"  # the processes inherit it
    tally = Tally(is_traced=find_strace() is not None)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="rightfit-attack-") as folder:
        try:
            chosen = {
                name: choose(PARTS[name], Path(folder) / f"listed-{name}", is_quick=asked.quick)
                for name in PARTS
                if name in asked.only
            }
            try_all("attack", chosen, tally, folder=Path(folder), n_processes=asked.processes)
        except KeyboardInterrupt:
            tally.is_whole = False
        if not tally.is_traced:
            sys.stderr.write("Nothing was traced: install strace (apt-get install strace).\n")
        sys.stdout.write(f"{tally.to_json()}\n")
        sys.stdout.flush()  # before the folder is deleted, which takes long
    return 0 if tally.is_clean else 1


ALL_VALUES = "RIGHTFIT_ATTACK_ALL_VALUES"


def choose(part: Part, place: Path, *, is_quick: bool) -> Sequence[int]:
    """Return the places of the cases that are tried."""
    if is_quick and part.quick_step is None:
        return ()
    place.mkdir()
    return range(0, len(part.list_attempts(place)), (part.quick_step or 1) if is_quick else 1)


@cache
def read_parameters(env: str) -> dict[str, Any]:
    """Return the project's parameters with the library's values."""
    from kedro.framework.startup import bootstrap_project

    from rightfit_kedro.config_loader import load_configuration, make_loader
    from rightfit_kedro.parameters import complete_parameters

    bootstrap_project(PROJECT)
    loader = make_loader(PROJECT / "conf", env=env)
    return complete_parameters(load_configuration(loader, "parameters"))


def one(name: str, judge: Callable[[], tuple[str, str]]) -> Attempt:
    """Return a case with one outcome, whose kind and detail a function gives."""
    return Attempt(name, lambda: [Outcome(name, *judge())])


def list_parameters(_place: Path) -> list[Attempt]:
    """Give every parameter bad values that its model knows of, some or all of them."""
    parameters = read_parameters("full")
    cases = list(parameter_cases.list_cases(parameters))
    if not os.environ.get(ALL_VALUES):
        cases = parameter_cases.sample(cases, n_each=VALUES_OF_EACH)
    return [
        one(str(case), lambda case=case: check(case.apply(parameters), [str(case.path[0])]))
        for case in cases
    ]


def list_combinations(_place: Path) -> list[Attempt]:
    """Give values that are right alone and wrong together."""
    parameters = read_parameters("full")
    return [
        one(name, lambda changes=changes: check(combination_cases.apply(parameters, changes), []))
        for name, changes in combination_cases.CASES.items()
    ]


def list_several_blocks(_place: Path) -> list[Attempt]:
    """Make several blocks wrong at once; each must be named."""
    parameters = read_parameters("full")
    by_block: dict[str, list[parameter_cases.ParameterCase]] = {}
    for case in parameter_cases.list_cases(parameters):
        if len(case.path) > 2 and case.path[0] != "grid":
            by_block.setdefault(str(case.path[0]), []).append(case)

    def try_some(number: int) -> tuple[str, str]:
        draw = random.Random(number)  # noqa: S311 -- no secret
        blocks = draw.sample(sorted(by_block), draw.randint(2, len(by_block)))
        changed = dict(parameters)
        for block in blocks:
            changed = draw.choice(by_block[block]).apply(changed)
        return check(changed, blocks)

    return [
        one(f"several blocks, {number}", lambda number=number: try_some(number))
        for number in range(N_SEVERAL)
    ]


def check(parameters: dict[str, Any], named: Sequence[str]) -> tuple[str, str]:
    """Check parameters as a command does, and judge what it says.

    Args:
        parameters: What is checked.
        named: Blocks that the faults must name.
    """
    from rightfit_kedro.parameters import complete_parameters
    from rightfit_kedro.validation import Machine, find_block_faults, find_model_faults

    machine = Machine(n_cores=2, devices=("cpu",))
    try:
        completed = complete_parameters(parameters)
        faults = find_block_faults(completed, stages=STAGES, machine=machine)
        faults += find_model_faults(completed, STAGES)
    except Exception:
        return "tracebacks", traceback.format_exc()
    text = "\n".join(faults)
    if not faults:
        return "accepted_wrongly", ""
    if "parameters_" not in text or any(block not in text for block in named):
        return "tracebacks", f"not named {named}: {text}"
    return "clear", ""


def list_files(place: Path) -> list[Attempt]:
    """Break files of the configuration."""
    read_parameters("full")  # which settings the project has
    conf = place / "conf"
    shutil.copytree(PROJECT / "conf", conf)
    return [
        one(case.name, lambda case=case: load_broken(case, conf))
        for case in yaml_cases.list_cases()
    ]


def load_broken(case: yaml_cases.YamlCase, conf: Path) -> tuple[str, str]:
    """Load a broken file as a command does."""
    from click import ClickException

    from rightfit._core.errors import RightfitError
    from rightfit_kedro.config_loader import load_configuration, make_loader

    shutil.rmtree(conf / "attack", ignore_errors=True)
    env = case.write(conf)
    kind = case.file.split("_")[0].removesuffix(".yml")
    try:
        load_configuration(make_loader(conf, env=env), kind)
    except (RightfitError, ClickException) as err:
        message = str(getattr(err, "message", err))
        return ("clear" if case.is_named(message) else "tracebacks"), message
    except Exception:
        return "tracebacks", traceback.format_exc()
    return "accepted_wrongly", ""


def list_tables(_place: Path) -> list[Attempt]:
    """Prepare odd raw tables as a run does."""
    return [one(case.name, lambda case=case: try_table(case)) for case in table_cases.list_cases()]


def try_table(case: table_cases.TableCase) -> tuple[str, str]:
    """Prepare a table and judge what comes of it."""
    try:
        is_finite = prepare(case)
    except Exception as err:
        message = explain(err)
        is_clear = message is not None and "pydantic" not in message
        trace = message or "".join(traceback.format_exception(err))
        return ("clear" if is_clear else "tracebacks"), trace
    return ("clear" if is_finite else "accepted_wrongly"), "not finite"


def prepare(case: table_cases.TableCase) -> bool:
    """Run the nodes of data preparation; tell whether what they make is finite."""
    target = {"tables": ["t"], "target": {"column": "y"}}
    block = DatasetBlock.model_validate(target | case.block)
    with tempfile.TemporaryDirectory() as folder:
        inferred = JsonStore(Path(folder))
        spec, check = nodes.check_raw_tables(block, inferred, case.table, dataset_name="d")
    rows, counts = nodes.assemble_rows(spec, check, case.table)
    _, *parts, _ = nodes.encode_rows(spec, check, counts, rows, dataset_name="d")
    return all(part[name].is_finite().all() for part in parts for name in part.columns)


def list_calls_from_python(place: Path) -> list[Attempt]:
    """Call the library with a wrong value of each argument."""
    return [
        one(str(case), lambda case=case: call_cases.try_call(case, place))
        for case in call_cases.list_cases(place)
    ]


def list_results(place: Path) -> list[Attempt]:
    """Damage stored results, and ask for the winner."""
    return [
        Attempt(str(case), lambda case=case: ask_for_damaged(case, place))
        for case in store_cases.list_cases(*STORED)
    ]


@cache
def store_good(place: Path) -> Path:
    """Store the results of a small study; return their root."""
    from factories.studies import VERSION, store_study
    from kedro.io import DataCatalog

    from rightfit_kedro.catalog import read_patterns

    good = place / "good"
    catalog = DataCatalog.from_config(read_patterns(str(good)), save_version=VERSION)
    store_study(catalog, good, place / "made")
    return good


def ask_for_damaged(case: store_cases.StoreCase, place: Path) -> Iterable[Outcome]:
    """Damage a file and ask ``which`` and ``export``, which must change nothing."""
    good, root = store_good(place), place / "data"
    damaged = case.make(good, root)
    kept = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for verb in (["which", "-a", "web_api"],
                 ["export", "-a", "web_api", "-d", "landsat", str(place / "out")]):  # fmt: skip
        shutil.rmtree(place / "out", ignore_errors=True)
        kind, detail = ask([*verb, "--data-root", str(root), "--env", "test"])
        if kind == "accepted_wrongly" and (verb[0] == "which" or does_without(case)):
            kind = "clear"  # the verb does not read this file
        if any(not path.exists() or path.read_bytes() != kept[path] for path in kept):
            kind, detail = "losses", str(damaged)
        yield Outcome(f"{verb[0]}, {case}", kind, detail)


def does_without(case: store_cases.StoreCase) -> bool:
    """Tell whether an export needs no such file: results of old versions have no environment."""
    return "environment" in case.pattern and case.damage in ("gone", "a link to nowhere")


def ask(arguments: Sequence[str]) -> tuple[str, str]:
    """Ask a verb in this process; return the kind of outcome and what it said."""
    from click.testing import CliRunner

    from rightfit.cli.verb_group import verbs
    from rightfit_deploy.winner_size import read_load

    if arguments[0] == verb_cases.READ_LOAD:
        try:
            return "accepted_wrongly", str(read_load(Path(arguments[1])))
        except ValueError as err:
            return "clear", str(err)
        except Exception:
            return "tracebacks", traceback.format_exc()
    result = CliRunner().invoke(verbs, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return "tracebacks", "".join(traceback.format_exception(*result.exc_info or ()))
    return ("clear" if result.exit_code else "accepted_wrongly"), result.output


def list_profiles(_place: Path) -> list[Attempt]:
    """Alter stored profiles field by field."""
    return [
        one(str(case), lambda case=case: profile_cases.try_profiles(case))
        for case in profile_cases.list_cases()
    ]


def list_verbs(place: Path) -> list[Attempt]:
    """Call the verbs with wrong arguments, and with files that are not what they should be."""
    return [
        one(case.name, lambda case=case: try_verb(case)) for case in verb_cases.list_cases(place)
    ]


def try_verb(case: verb_cases.VerbCase) -> tuple[str, str]:
    """Ask a verb, and look whether it tells what it should."""
    kind, detail = ask(case.arguments)
    if kind == "clear" and not all(text in detail for text in case.told):
        return "tracebacks", f"not told {case.told}: {detail}"
    return kind, detail


def list_command_lines(place: Path) -> list[Attempt]:
    """Try bad parameters, files and surroundings through the real command line.

    Every other command is traced.
    """
    data = place / "study"
    link_tables(data)
    can_trace = find_strace() is not None
    commands = [
        one(
            command.name,
            lambda command=command, traced=can_trace and number % 2 == 0: try_command(
                command, PROJECT, is_traced=traced
            ),
        )
        for number, command in enumerate(list_commands(data, place))
    ]
    return [*commands, one("two runs at once", lambda: try_two_runs(place / "two"))]


def link_tables(data: Path) -> None:
    """Give a new data root the project's raw tables."""
    (data / "01_raw").mkdir(parents=True)
    for table in (PROJECT / "data" / "01_raw").glob("*.parquet"):
        (data / "01_raw" / table.name).symlink_to(table)


def try_two_runs(data: Path) -> tuple[str, str]:
    """Start two runs on a new data root; both must end well, each with a ranking of its own."""
    link_tables(data)
    given = f"grid.datasets=landsat,grid.models=linear,data_root={data}"
    commands = [
        Command(f"seed {seed}", kedro("perf", f"{given},training.seed={seed}"), must_fail=False)
        for seed in (1, 2)
    ]
    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda command: try_command(command, PROJECT), commands))
    bad = next((one for one in ended if one[0] != "clear"), None)
    rankings = list((data / "08_reporting" / "recommendations.json").glob("*/*.json"))
    if bad is None and len(rankings) != len(commands):
        return "losses", f"two runs have left {len(rankings)} rankings"
    return bad or ("clear", "")


def list_kills(place: Path) -> list[Attempt]:
    """Kill runs' processes at random moments, and run again."""
    return [
        one(
            f"kill of {target}, {number}",
            lambda target=target, number=number: kill_one(
                place / f"{target.replace(' ', '_')}_{number}", target
            ),
        )
        for target in kill_cases.TARGETS
        for number in range(N_KILLS)
    ]


def kill_one(data: Path, target: str) -> tuple[str, str]:
    """Start a run on a new data root, kill a process of it, and run again."""
    seed = random.SystemRandom().randrange(2**32)
    link_tables(data)
    draw = random.Random(seed)  # noqa: S311 -- no secret
    kind, detail = kill_cases.try_kill(PROJECT, data, target, draw)
    return kind, f"seed {seed}: {detail}"


def list_sequences(_place: Path) -> list[Attempt]:
    """Play random sequences of disturbed commands, and of kills, other ones each time."""
    return [
        Attempt(f"sequences{kind}, batch {number}", partial(play_sequences, kind, n_of_a_batch))
        for kind, (n_sequences, n_of_a_batch) in SEQUENCES.items()
        for number in range(n_sequences // n_of_a_batch)
    ]


def play_sequences(kind: str, n_sequences: int) -> Iterable[Outcome]:
    """Play a batch of sequences; the number in the name of an outcome plays it again."""
    first = random.SystemRandom().randrange(10**9)
    script = PROJECT / "tests" / "attack" / "sequence_cases.py"
    done = subprocess.run(
        [sys.executable, str(script), str(first), str(n_sequences), *kind.split()],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        detail = f"{'; '.join(line['steps'])}: {line['detail']}"
        yield Outcome(f"{SEQUENCE} {line['number']}{kind}", line["kind"], detail)
    if len(lines) < n_sequences:
        yield Outcome(f"sequences from {first} on", "tracebacks", done.stderr)


def list_suites(_place: Path) -> list[Attempt]:
    """Run attacks that are tests; each test is a case."""
    return [
        Attempt(suite, lambda suite=suite, kind=kind: run_suite(suite, kind))
        for suite, kind in SUITES.items()
    ]


def run_suite(suite: str, kind: str) -> Iterable[Outcome]:
    """Run a file of tests."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=line", "-p", "no:cacheprovider", suite],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith("PASSED tests"):
            yield Outcome(line, "clear")
        elif line.startswith(("FAILED tests", "ERROR tests")):  # and no line of a log
            yield Outcome(line, kind, line)
    if done.returncode not in (0, 1):  # nothing has run: pytest is missing, or the file is
        yield Outcome(suite, "tracebacks", done.stdout + done.stderr)


# What takes long comes first, so that no core is left with it at the end.
PARTS: Mapping[str, Part] = {
    "suites": Part(list_suites, quick_step=None, patience_s=1_500),
    "kills": Part(list_kills, quick_step=None, patience_s=600),
    "sequences": Part(list_sequences, quick_step=None, patience_s=1_500),
    "commands": Part(list_command_lines, quick_step=9, patience_s=300),
    "parameters": Part(list_parameters, quick_step=15, n_at_once=25),
    "calls": Part(list_calls_from_python, quick_step=60, n_at_once=100),
    "combinations": Part(list_combinations, quick_step=4, n_at_once=10),
    "blocks": Part(list_several_blocks, quick_step=20, n_at_once=10),
    "files": Part(list_files, quick_step=3, n_at_once=10),
    "results": Part(list_results, quick_step=8, n_at_once=10),
    "tables": Part(list_tables, n_at_once=20),
    "verbs": Part(list_verbs, n_at_once=20),
    "profiles": Part(list_profiles, quick_step=20, n_at_once=100),
}


if __name__ == "__main__":
    sys.exit(main())
