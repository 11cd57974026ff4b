from __future__ import annotations

import polars as pl
import yaml

from rightfit.preparation.block import complete_block
from rightfit.preparation.description import DatasetBlock
from rightfit.preparation.proposal import describe_dataset, write_block
from rightfit.preparation.spec import Target

APPLES = pl.DataFrame(
    {
        "apple_id": range(60),
        "mass": [float(i % 7) for i in range(60)],
        "ripe": ["yes", "no", "no"] * 20,
    }
)


def test_proposal_is_a_block_that_leaves_nothing_to_infer() -> None:
    proposal = describe_dataset(APPLES, entry="apples_2026", target=Target(column="ripe"))

    text = write_block("apples", proposal)
    block = DatasetBlock.model_validate(yaml.safe_load("datasets:\n" + text)["datasets"]["apples"])

    assert block.find_gaps() == ()
    assert complete_block(block, {}, dataset_name="apples").spec == proposal.spec
    assert block.target.classes == ("no", "yes")  # quoted, or YAML would read truth values


def test_proposal_says_which_columns_are_left_out() -> None:
    text = write_block(
        "apples", describe_dataset(APPLES, entry="apples", target=Target(column="ripe"))
    )

    assert text.startswith("  # not used as features: 'apple_id' (identifies rows)\n  apples:\n")


def test_number_can_be_cut_into_two_classes() -> None:
    target = Target(column="mass", at_least=4)

    proposal = describe_dataset(APPLES, entry="apples", target=target)

    assert proposal.spec.target.classes == ("below 4", "4 or more")
    assert proposal.spec.quality.name == "roc_auc"
    assert "mass" not in proposal.spec.features.columns


def test_many_numbers_are_predicted_as_such_with_a_remark() -> None:
    scores = APPLES.with_columns(score=pl.Series([i % 11 for i in range(60)]))

    proposal = describe_dataset(scores, entry="apples", target=Target(column="score"))

    assert proposal.spec.task == "regression"
    assert proposal.spec.target.classes == ()
    assert "11 different numbers, predicted as a number" in proposal.remarks[0]


def test_many_numbers_taken_as_classes_are_remarked() -> None:
    scores = APPLES.with_columns(score=pl.Series([i % 11 for i in range(60)]))

    target = Target(column="score")
    many = describe_dataset(scores, entry="apples", target=target, task="classification")
    few = describe_dataset(APPLES, entry="apples", target=Target(column="ripe"))

    assert "11 different numbers, each taken as a class" in many.remarks[0]
    assert not any("taken as a class" in remark for remark in few.remarks)
