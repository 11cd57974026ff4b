from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline

from rightfit.kedro_project.nodes import NodeFunction
from rightfit.kedro_project.records import ResultRecord
from rightfit.kedro_project.unchanged import ComparedStep, compare_steps


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
) -> dict[str, ComparedStep]:
    return compare_steps(
        PIPELINE,
        constants=constants,
        version=version,
        identify=(INPUTS | inputs).get,
        load=(INPUTS | inputs).__getitem__,
        find_stored=stored.get,
        may_keep=changes.get("may_keep", lambda node: True),
    )


def unchanged(steps: dict[str, ComparedStep]) -> set[str]:
    return {name for name, step in steps.items() if step.is_unchanged}


def run(
    steps: dict[str, ComparedStep], stored: dict[str, ResultRecord], version: str
) -> dict[str, ResultRecord]:
    """Return the records after a run that carried out all steps that are not unchanged."""
    made = {
        name: ResultRecord(name, step.key or "", version, step.whole)
        for node in PIPELINE.nodes
        if not (step := steps[node.name]).is_unchanged
        for name in node.outputs
    }
    return stored | made


STORED = run(compare({}, version="first"), {}, "first")


def test_without_records_every_step_runs() -> None:
    assert unchanged(compare({})) == set()


def test_second_run_changes_nothing() -> None:
    assert unchanged(compare(STORED)) == {"clean", "train", "summarise"}


def test_a_parameter_changes_the_steps_that_read_it_and_all_after_them() -> None:
    assert unchanged(compare(STORED, inputs={"params:train": "c"})) == {"clean", "summarise"}
    assert unchanged(compare(STORED, inputs={"params:clean": "c"})) == set()


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

    assert first["guess"].key == second["guess"].key is not None


def test_only_the_part_of_a_parameter_that_a_step_depends_on_changes_it() -> None:
    def measure(rows: str, demand: dict[str, int]) -> str:
        return rows + str(demand)

    measuring = NodeFunction(measure, parts={"params:demand": lambda demand: demand["limit"]})
    pipeline = Pipeline([Node(measuring, ["raw", "params:demand"], "measured", name="measure")])

    def look(stored: dict[str, ResultRecord], **demand: int) -> dict[str, ComparedStep]:
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
    record = ResultRecord("measured", first["measure"].key or "", "1", first["measure"].whole)
    stored = {"measured": record}
    [same], [heavier], [tighter] = (
        look(stored, limit=limit, weight=weight).values()
        for limit, weight in ((1, 1), (1, 2), (2, 1))
    )

    assert same.is_unchanged
    assert not same.is_steered_otherwise
    assert heavier.is_unchanged
    assert heavier.is_steered_otherwise
    assert not tighter.is_unchanged


def test_other_code_or_another_machine_changes_everything() -> None:
    assert unchanged(compare(STORED, constants="other code")) == set()


def test_input_that_cannot_be_told_from_its_earlier_content_is_read_again() -> None:
    steps = compare(STORED, inputs={"raw": None})

    assert unchanged(steps) == set()
    assert steps["clean"].key is None


def test_result_that_was_deleted_is_made_again_and_so_is_all_after_it() -> None:
    stored = {name: record for name, record in STORED.items() if name != "rows"}

    assert unchanged(compare(stored)) == set()


def test_result_made_from_an_older_version_is_made_again() -> None:
    # A second run made the rows anew and was interrupted before it trained.
    again = ResultRecord("rows", STORED["rows"].key, "second")

    assert unchanged(compare(STORED | {"rows": again}, version="third")) == {"clean"}


def test_run_after_an_interrupted_one_goes_on_from_there() -> None:
    changed = {"params:clean": "c"}
    second = compare(STORED, inputs=changed)
    whole = run(second, STORED, "second")
    stored = STORED | {"rows": whole["rows"], "model": whole["model"]}

    assert unchanged(compare(stored, inputs=changed, version="third")) == {"clean", "train"}


def test_steps_that_must_run_are_not_left_out() -> None:
    steps = compare(STORED, may_keep=lambda node: node.name != "train")

    assert unchanged(steps) == {"clean", "summarise"}
