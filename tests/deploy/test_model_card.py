"""The head of an export's README against the fields of Hugging Face's model cards."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
import yaml
from factories.data_cards import make_data_card
from factories.exports import choose
from markdown_it import MarkdownIt

from rightfit.exporting.model_call import Model
from rightfit.exporting.model_card import name_licence, write_card_head

# as huggingface_hub 2.4 finds the fields
BLOCK = re.compile(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))")


def read_fields(head: str) -> Any:
    match = BLOCK.match(head)
    assert match is not None
    return yaml.safe_load(match[2])


def test_head_holds_what_the_hub_asks_of_a_model_with_results(model: Model) -> None:
    fields = read_fields(write_card_head(choose(model), model))

    assert fields["license"] == "cc0-1.0"
    assert fields["library_name"] == "onnx"
    assert fields["pipeline_tag"] == "tabular-classification"
    assert fields["tags"] == ["rightfit", "onnx"]
    assert fields["metrics"] == ["accuracy"]
    [entry] = fields["model-index"]
    [result] = entry["results"]
    assert entry["name"] == "linear-000"
    assert result["task"] == {"type": "tabular-classification"}
    assert result["dataset"] == {"type": "landsat", "name": "Things by size"}
    [metric] = result["metrics"]
    assert metric["type"] == "accuracy"
    assert 0 < metric["value"] <= 1


def test_a_loss_is_written_positive_under_the_hubs_name(model: Model) -> None:
    quality = {"name": "neg_mean_absolute_error", "worst": 10.0, "best": 0.0}
    card = make_data_card(quality=quality)
    answer = choose(model, quality_raw=-2.5, quality_raw_low=-3.0, quality_raw_high=-2.0)

    fields = read_fields(write_card_head(answer, dataclasses.replace(model, data_card=card)))

    [metric] = fields["model-index"][0]["results"][0]["metrics"]
    assert metric == {"type": "mae", "value": 2.5, "name": "mean absolute error"}


def test_names_are_text_in_yaml_and_in_markdown(model: Model) -> None:
    hostile = '<b>x</b> [a](http://b) "c": {d}, *e* # f\n---\n🙂 \\'
    card = make_data_card(title=hostile, licence=hostile)
    head = write_card_head(choose(model), dataclasses.replace(model, data_card=card))

    fields = read_fields(head)

    name = fields["model-index"][0]["results"][0]["dataset"]["name"]
    assert name == " ".join(hostile.split())
    assert fields["license"] == "unknown"
    page = MarkdownIt().render(f"{head}# Title\n")
    assert not set(re.findall(r"<(\w+)", page)) - {"hr", "p", "h1"}
    assert page.count("<h1>") == 1


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("CC0 1.0", "cc0-1.0"),
        ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0"),
        ("Apache License 2.0", "apache-2.0"),
        ("ODbL", "odbl"),
        ("CC BY", "cc"),
        ("not stated", "unknown"),
        ("", "unknown"),
    ],
)
def test_licences_get_the_hubs_identifiers(text: str, identifier: str) -> None:
    assert name_licence(text) == identifier
