"""Prices of the limits of a decision, as a sentence and as a table."""

from __future__ import annotations

from rightfit.formatting import NOT_MEASURED, format_number, format_quality
from rightfit.naming import describe_limit, format_metric, metric_unit
from rightfit.ranking.applications.applications import THROUGHPUT
from rightfit.ranking.sensitivity.limit_effects import LimitEffect
from rightfit.reporting.sections.section import Table, number, sentence, tabulate, text


def describe_prices(prices: list[LimitEffect], quality_title: str) -> str:
    """Say what the limits of a decision cost."""
    if not prices:
        return "There is no limit."
    deciding = [price for price in prices if price.flips and price.metric is not None]
    if not deciding:
        joint = next((price for price in prices if price.flips), None)
        if joint is None:
            return "No limit decides: the same candidate wins without them."
        return f"No single limit decides; without all of them, {_label(joint)} would win."
    return " ".join(_describe_price(price, quality_title) for price in deciding)


def _describe_price(price: LimitEffect, quality_title: str) -> str:
    limit = _name_limit(price)
    if price.winner is None:
        return f"Without the limit of {limit}, {_label(price)} would qualify."
    lost = _subtract(price.quality_raw_changed, price.quality_raw)
    change = "" if lost is None else f", with {_write_change(lost)} {quality_title}"
    return f"Without the limit of {limit}, {_label(price)} would win{change}."


def _write_change(difference: float) -> str:
    """Write a difference as words.

    >>> _write_change(0.017), _write_change(-0.02)
    ('0.017 more', '0.020 less')
    """
    return f"{format_quality(abs(difference))} {'less' if difference < 0 else 'more'}"


def _name_limit(price: LimitEffect) -> str:
    if price.metric is None or price.kind is None or price.limit is None:
        return "all limits together"
    return describe_limit(price.metric, price.kind, price.limit)


def tabulate_prices(prices: list[LimitEffect]) -> Table:
    """List who would win without each limit, and at which quality and speed."""
    return tabulate(
        "The price of each limit",
        prices,
        sentence("Limit", _name_limit),
        number("The winner's", lambda row: _write_value(row, row.value)),
        text("Without it wins", _write_other),
        number("At", lambda row: _write_value(row, row.value_changed) if row.flips else ""),
        number("Quality lost", _write_lost),
        number("Throughput", _write_throughput),
    )


def _write_value(price: LimitEffect, value: float | None) -> str:
    return "" if price.metric is None else format_metric(price.metric, value)


def _write_other(price: LimitEffect) -> str:
    if price.winner_changed is None:
        return "none either"
    if price.flips:
        return _label(price)
    if price.serving != price.serving_changed:
        return f"the same, as {_label(price)}"
    return "the same"


def _label(price: LimitEffect) -> str:
    return f"{price.winner_changed} ({price.serving_changed})"


def _write_lost(price: LimitEffect) -> str:
    lost = _subtract(price.quality_raw_changed, price.quality_raw)
    if lost is None:
        return NOT_MEASURED
    return format_quality(lost) if price.flips else "none"


def _write_throughput(price: LimitEffect) -> str:
    if not price.flips:
        return ""
    now, then = price.throughput_rows_per_s, price.throughput_rows_per_s_changed
    unit = metric_unit(THROUGHPUT)
    return f"{format_number(now)} instead of {format_number(then)} {unit}"


def _subtract(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
