"""Damaged studies are kept aside, and the search starts anew; half a line costs that line alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from harness.python_programs import run_python
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from rightfit_search.searching.studies.study_file import StudyFile
from rightfit_search.searching.studies.study_store import STUDIES_FILE, StudyStore, _opened


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def overwrite(file: Path) -> None:
    file.unlink()
    file.write_bytes(b"no journal at all" * 500)


def spoil_a_line(file: Path) -> None:
    file.write_bytes(b"\0" * 40 + file.read_bytes()[40:])


def add_another_program_s_line(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b'{"op_code": 77}\n')


def nest_without_end(file: Path) -> None:
    file.write_bytes(b"[" * 200_000 + b"\n")


def empty(file: Path) -> None:
    file.unlink()
    file.touch()


@pytest.mark.parametrize(
    "damage",
    [overwrite, empty, make_folder, Path.unlink, spoil_a_line, add_another_program_s_line,
     nest_without_end],
)  # fmt: skip
def test_damaged_studies_are_set_aside(damage: Callable[[Path], object], tmp_path: Path) -> None:
    store = StudyStore(tmp_path, None)
    optuna.create_study(study_name="old", storage=store.open())
    store.bundle_folder("old", 0).mkdir(parents=True)
    damage(tmp_path / STUDIES_FILE)
    _opened.clear()  # as another process would find it

    names = [study.study_name for study in optuna.get_all_study_summaries(store.open())]

    assert names == []
    assert not store.bundle_folder("old", 0).exists()
    assert len(list(tmp_path.glob("damaged/*/old/00000"))) == 1


def test_good_studies_are_left_alone(tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "a ?#%20é", None)
    optuna.create_study(study_name="old", storage=store.open())

    again = StudyStore(tmp_path / "a ?#%20é", None).open()

    assert [study.study_name for study in optuna.get_all_study_summaries(again)] == ["old"]
    assert (tmp_path / "a ?#%20é" / STUDIES_FILE).stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == ["a ?#%20é"]


def read_values(storage: BaseStorage) -> list[dict[int, float]]:
    trials = optuna.load_study(study_name="a", storage=storage).trials
    return [trial.intermediate_values for trial in trials]


def test_half_a_line_costs_that_line_alone(tmp_path: Path) -> None:
    file = tmp_path / STUDIES_FILE
    trial = optuna.create_study(study_name="a", storage=StudyStore(tmp_path, None).open()).ask()
    trial.report(0.25, 1)
    whole = file.read_bytes()
    trial.report(0.5, 2)
    file.write_bytes(file.read_bytes()[:-5])  # the writer was killed
    _opened.clear()

    storage = StudyStore(tmp_path, None).open()
    lost = read_values(storage)
    storage.set_trial_intermediate_value(0, 2, 0.75)

    assert lost == [{1: 0.25}]
    assert file.read_bytes().startswith(whole)
    assert read_values(storage) == [{1: 0.25, 2: 0.75}]
    assert read_values(JournalStorage(StudyFile(file))) == [{1: 0.25, 2: 0.75}]
    assert read_values(JournalStorage(JournalFileBackend(str(file)))) == [{1: 0.25, 2: 0.75}]


def test_processes_that_write_at_once_mix_no_lines(tmp_path: Path) -> None:
    program = (
        "import optuna, sys; from pathlib import Path\n"
        "from rightfit_search.searching.studies.study_store import StudyStore\n"
        "storage = StudyStore(Path(sys.argv[1]), None).open()\n"
        "study = optuna.create_study(study_name='a', storage=storage, load_if_exists=True)\n"
        "for _ in range(40):\n"
        "    trial = study.ask()\n"
        "    trial.set_user_attr('text', 'x' * 20_000)\n"
        "    study.tell(trial, 0.5)\n"
    )
    StudyStore(tmp_path, None).open()

    writers = [subprocess.Popen([sys.executable, "-c", program, tmp_path]) for _ in range(3)]

    assert [writer.wait() for writer in writers] == [0, 0, 0]
    trials = optuna.load_study(study_name="a", storage=StudyStore(tmp_path, None).open()).trials
    assert [trial.number for trial in trials] == list(range(120))
    assert {len(trial.user_attrs["text"]) for trial in trials} == {20_000}
    assert {trial.state.name for trial in trials} == {"COMPLETE"}


def test_full_disk_is_an_error_and_what_was_written_is_kept(tmp_path: Path) -> None:
    program = (
        "import optuna, resource, signal, sys; from pathlib import Path\n"
        "from rightfit_search.searching.studies.study_store import StudyStore\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "trial = optuna.create_study(storage=StudyStore(Path(sys.argv[1]), None).open()).ask()\n"
        "trial.report(0.5, 1)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))\n"
        "trial.set_user_attr('text', 'x' * 20_000)\n"
    )
    ended = run_python("-B", "-c", program, tmp_path)

    (trial,) = StudyStore(tmp_path, None).open().get_all_trials(0)
    assert ended.stderr.splitlines()[-1].startswith("OSError: [Errno 28] No space left")
    assert (trial.intermediate_values, trial.user_attrs) == ({1: 0.5}, {})
