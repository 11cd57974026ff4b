"""Attack the project with bad parameters, files, results and surroundings, and count what happens.

``make attack`` runs the long form, ``make attack-quick`` a sample of it. The last line is JSON; the
exit status says whether every case ended in a clear way.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import combination_cases
import kill_cases
import parameter_cases
import store_cases
import table_cases
import verb_cases
import yaml_cases
from command_cases import kedro, list_commands
from outcomes import Command, Tally, try_command

from rightfit.guards.clear_errors import explain_error
from rightfit.pipelines.data_engineering import nodes
from rightfit.pipelines.data_engineering.params import DatasetBlock
from rightfit.processes.json_store import JsonStore

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "support"))
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
PARTS = (
    "parameters", "combinations", "blocks", "files", "tables",
    "results", "verbs", "commands", "kills", "suites",
)  # fmt: skip
N_KILLS = 3  # of each kind of process
SUITES = (
    "tests/attack/test_hostile_bundles.py", "tests/attack/test_failing_parts.py",
    "tests/attack/test_measured_processes.py", "tests/serving/test_connections.py",
    "tests/serving/test_exported_folder.py", "tests/serving/test_strangers.py",
)  # fmt: skip


def main() -> int:
    """Attack; print the counts; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a sample, within minutes")
    parser.add_argument("--every", type=int, help="take every n-th bad value; 1: all of them")
    parser.add_argument("--first", type=int, default=0, help="first of them, from 0")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="parts of the attack; all if absent"
    )
    chosen = parser.parse_args()
    step = chosen.every or (40 if chosen.quick else 1)
    tally = Tally()
    attack_values(tally, chosen, step=step)
    if "tables" in chosen.only:
        attack_tables(tally)
    with tempfile.TemporaryDirectory(prefix="rightfit-attack-") as folder:
        place = Path(folder)
        if "files" in chosen.only:
            attack_files(tally, place / "conf")
        if "results" in chosen.only:
            attack_stored(tally, place, step=8 if chosen.quick else 1)
        if "verbs" in chosen.only:
            attack_verbs(tally, place / "verbs")
        if "commands" in chosen.only:
            attack_commands(tally, place, quick=chosen.quick)
        if "kills" in chosen.only and not chosen.quick:
            attack_by_kills(tally, place)
    if "suites" in chosen.only and not chosen.quick:
        for suite in SUITES:
            attack_by_suite(tally, suite)
    sys.stdout.write(f"{tally.to_json()}\n")
    return 0 if tally.is_clean else 1


def attack_values(tally: Tally, chosen: argparse.Namespace, *, step: int) -> None:
    """Attack the values of parameters, by themselves and together."""
    if not {"parameters", "combinations", "blocks"} & set(chosen.only):
        return
    parameters = read_parameters("full")
    if "parameters" in chosen.only:
        attack_parameters(tally, parameters, first=chosen.first, step=step)
    if "combinations" in chosen.only:
        attack_combinations(tally, parameters)
    if "blocks" in chosen.only:
        attack_several_blocks(tally, parameters, n_cases=20 if chosen.quick else 200)


def read_parameters(env: str) -> dict[str, Any]:
    """Return the project's parameters with the library's values."""
    from kedro.framework.startup import bootstrap_project

    from rightfit.conf_files import load_configuration, make_loader
    from rightfit.parameters.defaults import complete_parameters

    bootstrap_project(PROJECT)
    loader = make_loader(PROJECT / "conf", env=env)
    return complete_parameters(load_configuration(loader, "parameters"))


def attack_parameters(
    tally: Tally, parameters: Mapping[str, Any], *, first: int, step: int
) -> None:
    """Give every parameter every bad value that its model knows of."""
    for case in list(parameter_cases.list_cases(parameters))[first::step]:
        check(tally, str(case), case.apply(parameters), [str(case.path[0])])


def attack_combinations(tally: Tally, parameters: Mapping[str, Any]) -> None:
    """Give values that are right alone and wrong together."""
    for name, changes in combination_cases.CASES.items():
        check(tally, name, combination_cases.apply(parameters, changes), [])


def attack_several_blocks(tally: Tally, parameters: Mapping[str, Any], *, n_cases: int) -> None:
    """Make several blocks wrong at once; each must be named."""
    by_block: dict[str, list[parameter_cases.ParameterCase]] = {}
    for case in parameter_cases.list_cases(parameters):
        if len(case.path) > 2 and case.path[0] != "grid":
            by_block.setdefault(str(case.path[0]), []).append(case)
    draw = random.Random(7)  # noqa: S311 -- no secret
    for number in range(n_cases):
        blocks = draw.sample(sorted(by_block), draw.randint(2, len(by_block)))
        changed = dict(parameters)
        for block in blocks:
            changed = draw.choice(by_block[block]).apply(changed)
        check(tally, f"several blocks, {number}: {blocks}", changed, blocks)


def check(tally: Tally, name: str, parameters: dict[str, Any], named: list[str]) -> None:
    """Check parameters as a command does, and judge what it says.

    Args:
        tally: Counts the outcome.
        name: Of the case.
        parameters: What is checked.
        named: Blocks that the faults must name.
    """
    from rightfit.parameters.checking import find_faults
    from rightfit.parameters.defaults import complete_parameters
    from rightfit.parameters.machine import Machine

    machine = Machine(n_cores=2, devices=("cpu",))
    try:
        faults = find_faults(complete_parameters(parameters), stages=STAGES, machine=machine)
    except Exception:
        tally.add(name, "tracebacks", traceback.format_exc())
        return
    text = "\n".join(faults)
    if not faults:
        tally.add(name, "accepted_wrongly")
    elif "parameters_" not in text or any(block not in text for block in named):
        tally.add(name, "tracebacks", f"not named {named}: {text}")
    else:
        tally.add(name, "clear")


def attack_files(tally: Tally, conf: Path) -> None:
    """Break files of the configuration."""
    from click import ClickException

    from rightfit.conf_files import BrokenFileError, load_configuration, make_loader

    shutil.copytree(PROJECT / "conf", conf)
    for case in yaml_cases.list_cases():
        shutil.rmtree(conf / "attack", ignore_errors=True)
        env = case.write(conf)
        try:
            load_configuration(
                make_loader(conf, env=env), case.file.split("_")[0].removesuffix(".yml")
            )
            tally.add(case.name, "accepted_wrongly")
        except (BrokenFileError, ClickException) as err:
            message = str(getattr(err, "message", err))
            is_clear = case.file in message and (case.line is None or f"{case.line}:" in message)
            tally.add(case.name, "clear" if is_clear else "tracebacks", message)
        except Exception:
            tally.add(case.name, "tracebacks", traceback.format_exc())


def attack_tables(tally: Tally) -> None:
    """Prepare odd raw tables as a run does."""
    for case in table_cases.list_cases():
        try:
            is_finite = prepare(case)
        except Exception as err:
            message = explain_error(err)
            is_clear = message is not None and "pydantic" not in message
            trace = message or "".join(traceback.format_exception(err))
            tally.add(case.name, "clear" if is_clear else "tracebacks", trace)
        else:
            tally.add(case.name, "clear" if is_finite else "accepted_wrongly", "not finite")


def prepare(case: table_cases.TableCase) -> bool:
    """Run the nodes of data preparation; tell whether what they make is finite."""
    target = {"tables": ["t"], "target": {"column": "y"}}
    block = DatasetBlock.model_validate(target | case.block)
    with tempfile.TemporaryDirectory() as folder:
        inferred = JsonStore(Path(folder))
        spec, check = nodes.check_raw_tables(block, inferred, case.table, dataset_name="d")
    rows, counts = nodes.assemble_rows(spec, check, case.table)
    encoder = nodes.fit_encoder(spec, rows)
    parts = nodes.encode_parts(encoder, rows)
    nodes.write_data_card(spec, check, counts, rows, encoder, dataset_name="d")
    return all(part[name].is_finite().all() for part in parts for name in part.columns)


def attack_stored(tally: Tally, place: Path, *, step: int) -> None:
    """Damage stored results, and ask for the winner."""
    from kedro.io import DataCatalog
    from stored import VERSION, store_study

    from rightfit.catalog_entries import read_patterns

    good = place / "good"
    catalog = DataCatalog.from_config(read_patterns(str(good)), save_version=VERSION)
    store_study(catalog, good, place / "made")
    for case in list(store_cases.list_cases(*STORED))[::step]:
        root = place / "data"
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
            tally.add(f"{verb[0]}, {case}", kind, detail)


def does_without(case: store_cases.StoreCase) -> bool:
    """Tell whether an export needs no such file: results of old versions have no environment."""
    return "environment" in case.pattern and case.damage in ("gone", "a link to nowhere")


def ask(arguments: Sequence[str]) -> tuple[str, str]:
    """Ask a verb in this process; return the kind of outcome and what it said."""
    from click.testing import CliRunner

    from rightfit.verbs.commands import verbs
    from rightfit.verbs.costs.sizing import read_load

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


def attack_verbs(tally: Tally, place: Path) -> None:
    """Call the verbs with wrong arguments, and with files that are not what they should be."""
    place.mkdir()
    for case in verb_cases.list_cases(place):
        kind, detail = ask(case.arguments)
        if kind == "clear" and not all(text in detail for text in case.told):
            kind, detail = "tracebacks", f"not told {case.told}: {detail}"
        tally.add(case.name, kind, detail)


def attack_commands(tally: Tally, place: Path, *, quick: bool) -> None:
    """Try bad parameters, files and surroundings through the real command line."""
    data = place / "study"
    link_tables(data)
    commands = list(list_commands(data, place))
    for command in commands[:: 4 if quick else 1]:
        tally.add(command.name, *try_command(command, PROJECT))
    if not quick:
        tally.add("two runs at once", *try_two_runs(data))


def link_tables(data: Path) -> None:
    """Give a new data root the project's raw tables."""
    (data / "01_raw").mkdir(parents=True)
    for table in (PROJECT / "data" / "01_raw").glob("*.parquet"):
        (data / "01_raw" / table.name).symlink_to(table)


def attack_by_kills(tally: Tally, place: Path) -> None:
    """Kill runs' processes at random moments, and run again."""
    seed = random.SystemRandom().randrange(2**32)
    draw = random.Random(seed)  # noqa: S311 -- no secret
    for target in kill_cases.TARGETS:
        for number in range(N_KILLS):
            data = place / f"{target.replace(' ', '_')}_{number}"
            link_tables(data)
            name = f"kill of {target}, {number}, seed {seed}"
            tally.add(name, *kill_cases.try_kill(PROJECT, data, target, draw))


def try_two_runs(data: Path) -> tuple[str, str]:
    """Start two runs on one data root; both must end well, each with a ranking of its own."""
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


def attack_by_suite(tally: Tally, suite: str) -> None:
    """Run attacks that are tests; each test is a case."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=line", suite],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith("PASSED tests"):
            tally.add(line, "clear")
        elif line.startswith(("FAILED tests", "ERROR tests")):  # and no line of a log
            tally.add(line, "hangs" if "process" in suite else "code_executed", line)


if __name__ == "__main__":
    sys.exit(main())
