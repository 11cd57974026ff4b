"""The head of an export's README, which the Hugging Face Hub reads: fields of its model card.

https://huggingface.co/docs/hub/model-cards and ``modelcard.md`` of huggingface/hub-docs say what
the fields mean. A viewer of plain Markdown shows them as one paragraph between two rules.
"""

from __future__ import annotations

import json
import re

from rightfit._core.formatting import clean_text
from rightfit.exporting.model_call import Model
from rightfit.models.quality.metric import QualityMetric
from rightfit.ranking.explanation.answer import Answer

HUB_METRICS = {  # ids of https://hf.co/metrics, where one has another name there
    "f1_macro": "f1",
    "r2": "r_squared",
    "roc_auc_ovr": "roc_auc",
    "neg_mean_absolute_error": "mae",
    "neg_mean_squared_error": "mse",
}
# of licences as people write them: "CC BY 4.0", "MIT, Copyright (c) 2017 ..."
LICENCE = re.compile(
    r"(cc0|cc[ -]by(?:[ -](?:sa|nc|nd))*|mit|apache|odbl|odc-by|pddl)\b(?:.*?(\d\.\d))?"
)
VERSIONED = {"cc0": "1.0", "apache": "2.0"}
_MARKUP = re.compile(r"[`*\[\]<>|~_#]")  # what a viewer of plain Markdown would take for markup


def write_card_head(answer: Answer, model: Model) -> str:
    """Return the YAML head of a README, its rules and a blank line included."""
    card, name = model.data_card, answer.decision.subject
    is_image = model.bundle.schema.image_shape is not None
    task = f"{'image' if is_image and card.task != 'regression' else 'tabular'}-{card.task}"
    fields = {
        "license": f"{name_licence(card.licence)} # of the data: choose the model's own",
        "library_name": "onnx",
        "pipeline_tag": task,
        "tags": "[rightfit, onnx]",
    }
    figure = answer.profile and answer.profile.figures["quality_raw"]
    if name is not None and figure and figure.value is not None:
        metric = _name_metric(card.quality)
        is_loss = card.quality.title.startswith("negative ")
        value = -figure.value if is_loss else figure.value
        fields["metrics"] = f"[{_quote(metric)}]"
        fields["model-index"] = (
            f"[{{name: {_quote(name.candidate)}, results: [{{task: {{type: {task}}}, "
            f"dataset: {{type: {_quote(card.dataset)}, name: {_quote(card.title)}}}, "
            f"metrics: [{{type: {_quote(metric)}, value: {value:.6g}, "
            f"name: {_quote(card.quality.title.removeprefix('negative '))}}}]}}]}}]"
        )
    lines = [f"{key}: {value}" for key, value in fields.items()]
    # the blank line: else Markdown takes the last field for a heading, which the rule underlines
    return "\n".join(["---", *lines, "", "---", "", ""])


def name_licence(text: str) -> str:
    """Return the Hub's identifier of a licence, ``unknown`` where none is recognised.

    >>> [name_licence(text) for text in ("CC BY 4.0", "CC0", "MIT, Copyright (c) 2017", "ours")]
    ['cc-by-4.0', 'cc0-1.0', 'mit', 'unknown']
    """
    match = LICENCE.match(text.strip().lower())
    if match is None:
        return "unknown"
    name = match[1].replace(" ", "-")
    version = match[2] if name.startswith("cc-") else VERSIONED.get(name)
    if name.startswith("cc-") and version is None:
        return "cc"  # the family
    return f"{name}-{version}" if version else name


def _name_metric(quality: QualityMetric) -> str:
    name = quality.name
    return HUB_METRICS.get(name, name.removeprefix("neg_").rpartition(".")[2])


def _quote(text: str) -> str:
    """Write a text as a YAML string in quotes, in which nothing looks like Markdown."""
    quoted = json.dumps(" ".join(clean_text(text).split()), ensure_ascii=False)
    return _MARKUP.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
