from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project import reused_results
from rightfit.kedro_project.nodes import NodeFunction
from rightfit.kedro_project.result_records import ResultRecord
from rightfit.kedro_project.reused_results import ComparedStep, ReusedResults


def join(*parts: str) -> str:
    return "".join(parts)


PIPELINE = Pipeline(
    [
        Node(join, ["raw", "params:clean"], "rows", name="clean"),
        Node(join, ["rows", "params:train"], "model", name="train"),
        Node(join, ["rows"], "summary", name="summarise"),
    ]
)
INPUTS = {"raw": "v1", "params:clean": "a", "params:train": "b"}


class KnownInputs(ReusedResults):
    """Takes the identities of inputs and the stored results from dictionaries."""

    def __init__(
        self,
        pipeline: Pipeline,
        stored: dict[str, ResultRecord],
        inputs: dict[str, Any],
        *,
        version: str = "second",
        constants: str = "code",
        must_run: Collection[str] = (),
    ) -> None:
        self.inputs, self.results, self.must_run = inputs, stored, must_run
        catalog = DataCatalog({name: MemoryDataset(value) for name, value in inputs.items()})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reused_results, "hash_library", lambda: constants)
            super().__init__(pipeline, catalog, version, may_reuse=True)

    def identify(self, name: str) -> str | None:
        value = self.inputs[name]
        return None if value is None else str(value)

    def find(self, name: str) -> ResultRecord | None:
        return self.results.get(name)

    def _take_over(self) -> list[str]:
        return []  # the records are made up: there is no file

    def may_keep(self, node: Node) -> bool:
        return node.name not in self.must_run


def compare(
    stored: dict[str, ResultRecord], *, inputs: dict[str, str | None] | None = None, **options: Any
) -> ReusedResults:
    return KnownInputs(PIPELINE, stored, INPUTS | (inputs or {}), **options)


def run(
    reused: ReusedResults, stored: dict[str, ResultRecord], version: str
) -> dict[str, ResultRecord]:
    """Return the records after a run that carried out all steps that are not unchanged."""
    made = {
        name: ResultRecord(name, step.key or "", version, step.whole)
        for node in PIPELINE.nodes
        if not (step := reused.steps[node.name]).kept
        for name in node.outputs
    }
    return stored | made


STORED = run(compare({}, version="first"), {}, "first")


def test_without_records_every_step_runs() -> None:
    assert compare({}).unchanged == set()


def test_second_run_changes_nothing() -> None:
    assert compare(STORED).unchanged == {"clean", "train", "summarise"}


def test_a_parameter_changes_the_steps_that_read_it_and_all_after_them() -> None:
    assert compare(STORED, inputs={"params:train": "c"}).unchanged == {"clean", "summarise"}
    assert compare(STORED, inputs={"params:clean": "c"}).unchanged == set()


def test_a_hint_changes_nothing() -> None:
    def guess(rows: str, hint: str) -> str:
        return rows + hint

    guessing = NodeFunction(guess, hints=["params:hint"])
    pipeline = Pipeline([Node(guessing, ["raw", "params:hint"], "guessed", name="guess")])

    first, second = (
        KnownInputs(pipeline, {}, {"raw": "v1", "params:hint": hint}).steps for hint in "ab"
    )

    assert first["guess"].key == second["guess"].key is not None


def test_only_the_part_of_a_parameter_that_a_step_depends_on_changes_it() -> None:
    def measure(rows: str, demand: dict[str, int]) -> str:
        return rows + str(demand)

    measuring = NodeFunction(measure, parts={"params:demand": lambda demand: demand["limit"]})
    pipeline = Pipeline([Node(measuring, ["raw", "params:demand"], "measured", name="measure")])

    def look(stored: dict[str, ResultRecord], **demand: int) -> ComparedStep:
        (step,) = KnownInputs(
            pipeline, stored, {"raw": "v1", "params:demand": demand}
        ).steps.values()
        return step

    first = look({}, limit=1, weight=1)
    stored = {"measured": ResultRecord("measured", first.key or "", "1", first.whole)}
    same, heavier, tighter = (
        look(stored, limit=limit, weight=weight) for limit, weight in ((1, 1), (1, 2), (2, 1))
    )

    assert same.kept
    assert not same.is_steered_otherwise
    assert heavier.kept
    assert heavier.is_steered_otherwise
    assert not tighter.kept


def test_other_code_or_another_machine_changes_everything() -> None:
    assert compare(STORED, constants="other code").unchanged == set()


def test_input_that_cannot_be_told_from_its_earlier_content_is_read_again() -> None:
    steps = compare(STORED, inputs={"raw": None})

    assert steps.unchanged == set()
    assert steps.steps["clean"].key is None


def test_result_that_was_deleted_is_made_again_and_so_is_all_after_it() -> None:
    stored = {name: record for name, record in STORED.items() if name != "rows"}

    assert compare(stored).unchanged == set()


def test_result_made_from_an_older_version_is_made_again() -> None:
    # A second run made the rows anew and was interrupted before it trained.
    again = ResultRecord("rows", STORED["rows"].key, "second")

    assert compare(STORED | {"rows": again}, version="third").unchanged == {"clean"}


def test_run_after_an_interrupted_one_goes_on_from_there() -> None:
    changed = {"params:clean": "c"}
    second = compare(STORED, inputs=changed)
    whole = run(second, STORED, "second")
    stored = STORED | {"rows": whole["rows"], "model": whole["model"]}

    assert compare(stored, inputs=changed, version="third").unchanged == {"clean", "train"}


def test_steps_that_must_run_are_not_left_out() -> None:
    steps = compare(STORED, must_run=["train"])

    assert steps.unchanged == {"clean", "summarise"}
