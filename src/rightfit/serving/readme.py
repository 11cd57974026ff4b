"""The exported folder's README: what the model is, how to feed it, what was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rightfit.families.bundle import Bundle
from rightfit.printable import clean_text
from rightfit.profiling.metrics import METRICS
from rightfit.reporting.naming import NOT_MEASURED, format_metric, metric_name, sentence_case
from rightfit.serving.answer import format_version, say_disturbance, say_origin
from rightfit.serving.choice import Choice, Json

_SPECIAL = re.compile(r"[\\`*\[\]<>|~]")  # what starts markup, HTML included, inside a line

N_NAMED = 12  # columns named in full; model.json holds all

HOW_ENCODED = {
    "standardise": "a number; null becomes the median, then (value - mean) / scale",
    "indicate": "1 where it is null, else 0",
    "one_hot": "a category; unknown ones and null count as <other>",
    "pixels": "an image as bytes, row by row; value / 255",
}


def write_readme(
    choice: Choice,
    bundle: Bundle,
    call: Mapping[str, Any],
    encoder: Mapping[str, Any],
    data_card: Mapping[str, Any],
) -> str:
    """Write the README of an export.

    Args:
        choice: Who was chosen, and why.
        bundle: The model.
        call: Content of ``model.json``.
        encoder: Content of ``encoder.json``.
        data_card: What the model was trained on.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("rightfit.serving"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, not HTML
        finalize=_escape,
    )
    environment.filters["code"] = quote_code
    return environment.get_template("README.md.j2").render(
        choice=choice,
        bundle=bundle,
        call=call,
        data_card=data_card,
        columns=_name_some(call["input"]["columns"]),
        raw_columns=_describe_columns(encoder),
        derived=data_card["features"]["derived"],
        metrics=_list_metrics(choice.profile or {}),
        ranked=format_version(choice.origin.ranked_in),
        disturbance=say_disturbance(choice.profile),
        origin=say_origin(choice.origin),
    )


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
    r"""Write a value so that Markdown and HTML take it for text on one line.

    >>> print(escape_markdown("<b>|[x](y)"))
    \<b\>\|\[x\](y)
    """
    text = clean_text(str(value)).replace("\n", " ").replace("\t", " ")
    return _SPECIAL.sub(r"\\\g<0>", text)


def _escape(value: Any) -> Any:
    return value if isinstance(value, Markdown) else escape_markdown(value)


def _name_some(names: list[str]) -> Markdown:
    named = ", ".join(quote_code(name) for name in names[:N_NAMED])
    return Markdown(named if len(names) <= N_NAMED else f"{named} and {len(names) - N_NAMED} more")


def _describe_columns(encoder: Mapping[str, Any]) -> list[Json]:
    """Put columns that are encoded alike into one row."""
    names: dict[str, list[str]] = {}
    for step in encoder["steps"]:
        names.setdefault(step["kind"], []).append(quote_code(step["column"]))
    return [
        {"names": Markdown(", ".join(columns)), "how": HOW_ENCODED[kind]}
        for kind, columns in names.items()
    ]


def _list_metrics(profile: Mapping[str, Any]) -> list[Json]:
    rows = []
    for metric in METRICS:
        value = profile.get(metric.column)
        if value is None:
            continue
        ends = [profile.get(f"{metric.column}_{end}") for end in ("low", "high")]
        known = all(end is not None for end in ends)
        rows.append(
            {
                "title": sentence_case(metric_name(metric.column)),
                "value": format_metric(metric.column, value),
                "interval": " to ".join(format_metric(metric.column, end) for end in ends)
                if known
                else NOT_MEASURED,
            }
        )
    return rows
