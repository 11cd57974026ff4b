from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import NodeFunction
from rightfit.kedro_project.records import ResultRecord
from rightfit.kedro_project.unchanged import Steps, compare_steps


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


def compare(
    stored: dict[str, ResultRecord],
    *,
    version: str = "second",
    constants: str = "code",
    inputs: dict[str, str | None] = {},  # noqa: B006 -- read only
    **changes: Any,
) -> Steps:
    return compare_steps(
        PIPELINE,
        constants=constants,
        version=version,
        identify=(INPUTS | inputs).get,
        load=(INPUTS | inputs).__getitem__,
        find_stored=stored.get,
        may_keep=changes.get("may_keep", lambda node: True),
    )


def run(steps: Steps, stored: dict[str, ResultRecord], version: str) -> dict[str, ResultRecord]:
    """Return the records after a run that carried out all steps that are not unchanged."""
    made = {
        name: ResultRecord(name, steps.keys[node.name] or "", version, steps.wholes[node.name])
        for node in PIPELINE.nodes
        if node.name not in steps.unchanged
        for name in node.outputs
    }
    return stored | made


STORED = run(compare({}, version="first"), {}, "first")


def test_without_records_every_step_runs() -> None:
    assert compare({}).unchanged == frozenset()


def test_second_run_changes_nothing() -> None:
    assert compare(STORED).unchanged == {"clean", "train", "summarise"}


def test_a_parameter_changes_the_steps_that_read_it_and_all_after_them() -> None:
    assert compare(STORED, inputs={"params:train": "c"}).unchanged == {"clean", "summarise"}
    assert compare(STORED, inputs={"params:clean": "c"}).unchanged == frozenset()


def test_a_hint_changes_nothing() -> None:
    def guess(rows: str, hint: str) -> str:
        return rows + hint

    guessing = NodeFunction(guess, hints=["params:hint"])
    pipeline = Pipeline([Node(guessing, ["raw", "params:hint"], "guessed", name="guess")])

    first, second = (
        compare_steps(
            pipeline,
            constants=None,
            version="1",
            identify={"raw": "v1", "params:hint": hint}.get,
            load={}.__getitem__,
            find_stored=lambda name: None,
            may_keep=lambda node: True,
        )
        for hint in ("a", "b")
    )

    assert first.keys["guess"] == second.keys["guess"] is not None


def test_only_the_part_of_a_parameter_that_a_step_depends_on_changes_it() -> None:
    def measure(rows: str, demand: dict[str, int]) -> str:
        return rows + str(demand)

    measuring = NodeFunction(measure, parts={"params:demand": lambda demand: demand["limit"]})
    pipeline = Pipeline([Node(measuring, ["raw", "params:demand"], "measured", name="measure")])

    def look(stored: dict[str, ResultRecord], **demand: int) -> Steps:
        return compare_steps(
            pipeline,
            constants=None,
            version="1",
            identify={"raw": "v1", "params:demand": str(demand)}.get,
            load={"params:demand": demand}.__getitem__,
            find_stored=stored.get,
            may_keep=lambda node: True,
        )

    first = look({}, limit=1, weight=1)
    record = ResultRecord("measured", first.keys["measure"] or "", "1", first.wholes["measure"])
    stored = {"measured": record}
    heavier = look(stored, limit=1, weight=2)

    assert look(stored, limit=1, weight=1).steered_otherwise == frozenset()
    assert heavier.unchanged == heavier.steered_otherwise == {"measure"}
    assert look(stored, limit=2, weight=1).unchanged == frozenset()


def test_other_code_or_another_machine_changes_everything() -> None:
    assert compare(STORED, constants="other code").unchanged == frozenset()


def test_input_that_cannot_be_told_from_its_earlier_content_is_read_again() -> None:
    steps = compare(STORED, inputs={"raw": None})

    assert steps.unchanged == frozenset()
    assert steps.keys["clean"] is None


def test_result_that_was_deleted_is_made_again_and_so_is_all_after_it() -> None:
    stored = {name: record for name, record in STORED.items() if name != "rows"}

    assert compare(stored).unchanged == frozenset()


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
    steps = compare(STORED, may_keep=lambda node: node.name != "train")

    assert steps.unchanged == {"clean", "summarise"}
