"""Models in memory are measured in processes of their own, in the form they were fitted on."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pytest
from factories.onnx_files import write_ranks
from factories.own_models import NUMBERS, ROWS, TARGETS, fit_linear, fit_pipeline, guess_by_age
from harness.python_programs import run_python
from sklearn.linear_model import LogisticRegression

from rightfit._core.errors import RightfitError
from rightfit.api.measure import compare, measure

pytestmark = pytest.mark.whole

IS_YES = TARGETS == "yes"


@pytest.fixture(scope="module")
def pipeline() -> object:
    return fit_pipeline()


@pytest.mark.long
def test_pipeline_on_columns_by_name_is_compared_with_a_function(pipeline: object) -> None:
    found = compare({"boosting": pipeline, "rule": guess_by_age}, ROWS, TARGETS)
    rows = {name: found.find(name, runtime="native") for name in ("boosting", "rule")}

    for name, right in (
        ("boosting", pipeline.predict(ROWS) == TARGETS),
        ("rule", guess_by_age(ROWS) == TARGETS),
    ):
        profile = rows[name]
        assert profile.quality_raw.value == pytest.approx(right.mean())
        assert profile.latency_p50_ms.value > 0
        assert profile.peak_memory_mib.value > profile.model_size_mib.value > 0
    assert found.find("boosting", runtime="onnx").quality_raw == rows["boosting"].quality_raw
    assert found.left_out == {"rule, onnx": "a function has no ONNX form"}
    assert "left out: rule, onnx (left_out says why)" in repr(found)
    assert found.qualities["data"].name == "accuracy"


@pytest.mark.long
def test_models_of_one_graph_share_their_costs() -> None:
    penalties = {"first": 1.0, "second": 0.01}
    models = {name: LogisticRegression(C=c).fit(NUMBERS, TARGETS) for name, c in penalties.items()}
    found = compare(models, NUMBERS, n_threads=[1])
    first, second = (found.find(name, runtime="onnx") for name in models)
    assert (first.how.twins, second.how.twins) == (("second",), ("first",))
    for column in ("latency_p50_ms", "throughput_rows_per_s", "peak_memory_mib"):
        assert first[column] == second[column]
    assert first.throughput_curve == second.throughput_curve
    sizes = [point.batch_size for point in first.throughput_curve]
    assert first.throughput_curve.best_batch_size in sizes


@pytest.mark.long
def test_torch_module_on_a_frame_of_numbers() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    with torch.inference_mode():
        scores = module(torch.tensor(NUMBERS.to_numpy(), dtype=torch.float32)).numpy()

    found = measure(module, pl.from_pandas(NUMBERS), IS_YES, quality="accuracy")

    assert found.quality_raw.value == pytest.approx((scores.argmax(axis=1) == IS_YES).mean())
    assert not module.training or module[0].weight.requires_grad  # the caller's own is unchanged


def test_without_targets_no_quality_is_made_up() -> None:
    found = measure(fit_linear(), ROWS)

    assert found.quality_raw.value is None
    assert found.quality_raw.reason == "no targets were given"
    assert found.latency_p50_ms.value > 0


@pytest.mark.parametrize(
    ("make", "runtime", "reason"),
    [
        (lambda: guess_by_age, "onnx", "a function has no ONNX form"),
        (
            lambda: LogisticRegression().fit(NUMBERS, TARGETS),
            "onnx_int8",
            "the model has no file that it opens",
        ),
    ],
)
def test_model_without_the_form_that_is_asked_for_says_why(
    make: Callable[[], Any], runtime: str, reason: str
) -> None:
    with pytest.raises(RightfitError, match=f"No model runs in {runtime}: m, {runtime}: {reason}"):
        measure(make(), ROWS, TARGETS, name="m", runtime=runtime)


def test_model_that_fails_while_it_is_measured_says_so() -> None:
    from factories.own_models import exit_process

    with pytest.raises(RightfitError, match="exit_process was not measured: it does not run"):
        measure(exit_process, ROWS, name="exit_process")


@pytest.mark.long
def test_model_whose_answers_depend_on_the_batch_is_not_judged(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    targets = (rows[:, 1] > rows[:, 0]).astype(int)

    function = measure(centre, rows, targets)
    graph = measure(write_ranks(tmp_path / "ranks.onnx"), rows, targets)

    for found in (function, graph):
        assert found.quality_raw.value is None
        assert "depends on the rows beside it" in found.quality_raw.reason


def centre(rows: np.ndarray) -> np.ndarray:
    second = 1 / (1 + np.exp(rows - rows.mean(axis=0)) @ [[1], [0]])
    return np.concatenate([1 - second, second], axis=1)


def test_model_with_one_answer_to_all_rows_is_refused() -> None:
    with pytest.raises(RightfitError, match="must answer each row"):
        measure(lambda rows: np.array([[0.3, 0.7]]), NUMBERS)


LINEAR = fit_linear()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LogisticRegression(), NUMBERS), "LogisticRegression is not fitted yet: call its fit"),
        ((LogisticRegression, NUMBERS), r"make one first: LogisticRegression\(…\)\.fit"),
        ((LINEAR, NUMBERS), r"The rows lack the columns \['city'\].* was fitted on"),
        ((LINEAR, ROWS.rename(columns={"city": "cities"})), "is 'cities' meant"),
        ((LINEAR, ROWS.to_numpy()[:, :2]), "fitted on 3 columns, .* the rows have 2"),
        ((LINEAR,), "Pipeline needs rows to be measured with"),
        ((LINEAR, ROWS[:0]), "The rows are empty"),
        ((LINEAR, 3), "must be a frame of pandas or polars, .* but got a int"),
        ((LINEAR, "rows.xlsx"), r"rows\.xlsx must be a \.parquet, .* file"),
        ((LINEAR, "rows.csv"), r"There is no file rows\.csv"),
        ((LINEAR, ROWS, TARGETS[1:]), "199 targets for 200 rows"),
        ((LINEAR, ROWS, "target"), "The targets 'target' are no column of the rows"),
        ((LINEAR, ROWS, [None, *TARGETS[1:]]), "1 of 200 targets are missing"),
        ((LINEAR, ROWS, np.char.upper(TARGETS)), r"hold \['NO', 'YES'\], which no model predicts"),
        ((LINEAR, None, TARGETS), "There are targets, but no rows"),
        ((functools.partial(zip, threading.Lock()), ROWS), "cannot travel to the"),
    ],
)
def test_mistake_is_one_sentence_before_anything_is_measured(
    arguments: tuple[object, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a measuring process was started")

    monkeypatch.setattr("rightfit.api.own_models.WorkerPool.get", refuse)
    with pytest.raises(RightfitError, match=message):
        measure(*arguments)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda rows: rows["floor"], r"cannot answer the rows \(KeyError: 'floor'\)"),
        (lambda rows: np.ones((len(rows), 3)), "answers float64 of shape"),
    ],
)
def test_function_that_cannot_answer_is_refused(
    function: Callable[[pl.DataFrame], object], message: str
) -> None:
    with pytest.raises(RightfitError, match=message):
        measure(function, ROWS, TARGETS)


def test_fault_of_a_model_names_it() -> None:
    with pytest.raises(RightfitError, match=r"^second: LogisticRegression is not fitted"):
        compare({"first": LINEAR, "second": LogisticRegression()}, ROWS)


def test_models_without_names_and_a_single_number_of_threads_are_refused() -> None:
    models: Any = [LINEAR]
    threads: Any = 1

    with pytest.raises(RightfitError, match="Give the models by name"):
        compare(models, ROWS)
    with pytest.raises(RightfitError, match=r"^n_threads must be of type list \| tuple, but got 1"):
        compare({"linear": LINEAR}, ROWS, n_threads=threads)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": 3}, "name: a name must be a text, but got 3"),
        ({"name": ""}, "name: a name must be a text, but got ''"),
        ({"n_threads": 0}, r"^n_threads\.0: must be 'all' or a whole number .*, but got 0$"),
        (
            {"n_threads": 1_024},
            r"^n_threads \[1024\] cannot be measured: .* \d+ cores\. Give",
        ),
        ({"device": "gpu"}, r"^devices\.0: must be 'cpu' or 'cuda', but got 'gpu'$"),
        ({"targets": ["a"] * len(ROWS)}, "predicts the classes .*, but the targets hold"),
    ],
)
def test_wrong_argument_is_named_in_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RightfitError, match=message):
        measure(LogisticRegression().fit(NUMBERS, IS_YES.astype(int)), NUMBERS, **arguments)


@pytest.mark.parametrize("key", ["runtimes", "n_threads", "devices"])
def test_text_in_place_of_a_list_is_not_read_letter_by_letter(key: str) -> None:
    texts: dict[str, Any] = {key: "all"}

    with pytest.raises(RightfitError, match=f"^{key}.* (be a|type) list.*, but got 'all'"):
        compare({"linear": LINEAR}, ROWS, **texts)


def test_unknown_preset_or_quality_is_refused() -> None:
    with pytest.raises(RightfitError, match="preset: must be 'quick'"):
        measure(LINEAR, ROWS, preset="fast")
    with pytest.raises(
        RightfitError, match="there is no metric 'acuracy'; did you mean 'accuracy'"
    ):
        measure(LINEAR, ROWS, TARGETS, quality="acuracy")


SCRIPT = """
from factories import own_models
from rightfit.api.measure import compare

class Slow:  # of the script, so it is not importable elsewhere
    def predict(self, rows):
        import time
        time.sleep(0.02)
        return own_models.guess_by_age(rows)

print(compare({"slow": Slow()}, own_models.ROWS, preset=%r)[0].candidate, flush=True)
"""


@pytest.mark.long
def test_class_of_a_script_travels(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT % "quick")

    done = run_python(tmp_path / "script.py")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "slow\n"
    said = [line for line in done.stderr.splitlines() if "Waiting for another meas" not in line]
    assert said == []  # other tests of this machine may measure meanwhile


@pytest.mark.long
def test_interrupt_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT % "publish")
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    script = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"], env=environment, stderr=subprocess.PIPE, text=True
    )
    below: list[psutil.Process] = []
    while script.poll() is None and len(below) < 2:  # a worker and its child, which measures
        time.sleep(0.05)
        below = psutil.Process(script.pid).children(recursive=True)
    script.send_signal(signal.SIGINT)
    _, errors = script.communicate(timeout=300)

    assert "KeyboardInterrupt" in errors
    assert psutil.wait_procs(below, timeout=60)[1] == []
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]
