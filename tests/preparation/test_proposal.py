from __future__ import annotations

import polars as pl
import yaml

from rightfit.preparation.block import DatasetBlock, complete_block
from rightfit.preparation.proposal import describe_dataset, write_block

APPLES = pl.DataFrame(
    {
        "apple_id": range(60),
        "mass": [float(i % 7) for i in range(60)],
        "ripe": ["yes", "no", "no"] * 20,
    }
)


def test_proposal_is_a_block_that_leaves_nothing_to_infer() -> None:
    proposal = describe_dataset(APPLES, entry="apples_2026", target="ripe")

    text = write_block("apples", proposal)
    block = DatasetBlock.model_validate(yaml.safe_load("datasets:\n" + text)["datasets"]["apples"])

    assert block.find_gaps() == ()
    assert complete_block(block, {}, dataset_name="apples").spec == proposal.spec
    assert block.target.classes == ("no", "yes")  # quoted, or YAML would read truth values


def test_proposal_says_which_columns_are_left_out() -> None:
    text = write_block("apples", describe_dataset(APPLES, entry="apples", target="ripe"))

    assert text.startswith("  # not used as features: 'apple_id' (identifies rows)\n  apples:\n")
