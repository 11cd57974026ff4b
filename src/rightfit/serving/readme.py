"""The exported folder's README: what the model is, how to feed it, what was measured."""

from __future__ import annotations

from rightfit.naming import NOT_MEASURED, format_metric, metric_name, sentence_case
from rightfit.profiling.metrics import METRICS
from rightfit.serving.answer import Answer, StoredProfile
from rightfit.serving.answer_text import describe_disturbance, describe_origin, format_version
from rightfit.serving.model_call import Model, ModelCall

N_NAMED = 12  # columns named in full; model.json holds all

HOW_ENCODED = {
    "standardise": "a number; null becomes the median, then (value - mean) / scale",
    "indicate": "1 where it is null, else 0",
    "one_hot": "a category; unknown ones and null count as <other>",
    "pixels": "an image as bytes, row by row; value / 255",
}


def write_readme(answer: Answer, model: Model, call: ModelCall) -> str:
    """Write the README of an export.

    Args:
        answer: What was chosen, and why.
        model: The winner.
        call: How it is called.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("rightfit.serving"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, not HTML
    )
    return environment.get_template("README.md.j2").render(
        answer=answer,
        bundle=model.bundle,
        call=call,
        data_card=model.data_card,
        columns=_name_some(call.input.columns),
        raw_columns=_describe_columns(model),
        derived=model.data_card["features"]["derived"],
        metrics=_list_metrics(answer.profile),
        ranked=format_version(answer.origin.ranked_in),
        disturbance=describe_disturbance(answer.profile),
        origin=describe_origin(answer.origin),
    )


def _name_some(names: list[str]) -> str:
    named = ", ".join(f"`{name}`" for name in names[:N_NAMED])
    return named if len(names) <= N_NAMED else f"{named} and {len(names) - N_NAMED} more"


def _describe_columns(model: Model) -> list[dict[str, str]]:
    """Put columns that are encoded alike into one row."""
    names: dict[str, list[str]] = {}
    for step in model.encoder["steps"]:
        names.setdefault(step["kind"], []).append(f"`{step['column']}`")
    return [
        {"names": ", ".join(columns), "how": HOW_ENCODED[kind]} for kind, columns in names.items()
    ]


def _list_metrics(profile: StoredProfile | None) -> list[dict[str, str]]:
    rows = []
    for column in (metric.column for metric in METRICS):
        value = profile.read_metric(column) if profile else None
        if profile is None or value is None:
            continue
        ends = [profile.read_metric(f"{column}_{end}") for end in ("low", "high")]
        interval = " to ".join(format_metric(column, end) for end in ends)
        rows.append(
            {
                "title": sentence_case(metric_name(column)),
                "value": format_metric(column, value),
                "interval": NOT_MEASURED if None in ends else interval,
            }
        )
    return rows
