"""The exported folder's README: what the model is, how to feed it, what was measured."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from rightfit._core.formatting import NOT_MEASURED, clean_text, format_version
from rightfit._core.spelling import name_some
from rightfit.exporting.model_call import Model, ModelCall
from rightfit.exporting.model_card import write_card_head
from rightfit.measuring.naming import format_metric, metric_name, sentence_case
from rightfit.ranking.explanation.answer import Answer, describe_origin
from rightfit.ranking.explanation.decisions import describe_batches, describe_input

_SPECIAL = re.compile(r"[\\`*\[\]<>|~]")  # what starts markup, HTML included, inside a line

N_NAMED = 12  # columns named in full; model.json holds all

HOW_ENCODED = {
    "number": "a number, as it is; null becomes NaN",
    "standardise": "a number; null becomes the median, then (value - mean) / scale",
    "indicate": "1 where it is null, else 0",
    "one_hot": "a category; unknown ones and null count as <other>",
    "target_mean": "the same category as one number: the target's mean in training, standardised",
    "words": "a text; the TF-IDF of its known words (letters A to Z lower-cased, see encoder.json)",
    "date": "a date as text, ISO 8601 or as in training, another text is a gap; its year, month, "
    "weekday, hour and days",
    "pixels": "an image as bytes, row by row; value / 255",
    "picture": "a PNG or JPEG file of any size; decoded and resized by usage.py, value / 255",
}


def write_readme(answer: Answer, model: Model, call: ModelCall) -> str:
    """Write the README of an export."""
    names: dict[str, list[str]] = {}  # columns that are encoded alike share a row
    for step in model.encoder["steps"]:
        how = HOW_ENCODED[step["kind"]]
        if decimal := model.encoder.get("decimals", {}).get(step["column"]):
            unit = f" and the unit {decimal[2:]!r}" if decimal[2:] else ""
            how += f" (a text is read as such a number, with the decimal mark {decimal[0]!r}{unit})"
        names.setdefault(how, []).append(quote_code(step["column"]))
    metrics = []
    for figure in answer.profile.measured() if answer.profile else ():
        column = figure.metric.column
        ends = [figure.low, figure.high]
        interval = " to ".join(format_metric(column, end) for end in ends)
        metrics.append(
            {
                "title": sentence_case(metric_name(column)),
                "value": f"{figure.name} {format_metric(column, figure.value)}".strip(),
                "interval": NOT_MEASURED if None in ends else interval,
            }
        )
    environment = Environment(
        loader=PackageLoader("rightfit.exporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, not HTML
        finalize=escape_markdown,
    )
    environment.filters["code"] = quote_code
    text = environment.get_template("README.md.j2").render(
        answer=answer,
        bundle=model.bundle,
        call=call,
        data_card=model.data_card,
        name_columns=_name_columns,
        trained_on=_describe_rows(model),
        raw_columns=[
            {"names": Markdown(", ".join(columns)), "how": how} for how, columns in names.items()
        ],
        metrics=metrics,
        ranked=format_version(answer.origin.ranked_in),
        findings=[one for one in answer.findings if one.severity != "not applicable"],
        went_in=describe_input(answer.profile) if answer.profile else "not known",
        batches=answer.profile and describe_batches(answer.decision, answer.profile),
        origin=describe_origin(answer.origin),
    )
    return write_card_head(answer, model) + text


def _describe_rows(model: Model) -> str:
    """Say how many rows the model has learnt from, and of which parts."""
    n_rows, rows = model.data_card.n_rows, model.bundle.n_training_rows
    if rows is None:
        return "of rows that are not known"
    parts = {
        n_rows["train"]: "train rows",
        n_rows["train"] + n_rows["validation"]: "train and validation rows",
        sum(n_rows.values()): "train, validation and test rows",
    }
    return f"{rows:,} {parts.get(rows, 'rows')}"


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def quote_code(name: object) -> Markdown:
    r"""Write a name as code, on one line and in one cell of a table.

    >>> print(quote_code("a`b|c"))
    `a'b\|c`
    """
    text = " ".join(clean_text(str(name)).split()).replace("`", "'").replace("|", "\\|")
    return Markdown(f"`{text}`")


def escape_markdown(value: object) -> str:
    r"""Write a value so that Markdown and HTML take it for text on one line; Markdown stays.

    >>> print(escape_markdown("<b>|[x](y)"))
    \<b\>\|\[x\](y)
    """
    if isinstance(value, Markdown):
        return value
    text = clean_text(str(value)).replace("\n", " ").replace("\t", " ")
    return _SPECIAL.sub(r"\\\g<0>", text)


def _name_columns(columns: Sequence[str]) -> Markdown:
    return Markdown(name_some([quote_code(column) for column in columns], n_shown=N_NAMED))
