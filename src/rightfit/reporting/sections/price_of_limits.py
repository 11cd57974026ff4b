"""What the limits of a decision cost, as a sentence and as a table."""

from __future__ import annotations

from rightfit.formatting import NOT_MEASURED, format_number, format_quality
from rightfit.naming import describe_limit, format_metric, metric_unit
from rightfit.ranking.applications.applications import THROUGHPUT
from rightfit.ranking.sensitivity.limit_prices import LimitPrice
from rightfit.reporting.sections.section import Table, number, sentence, tabulate, text


def describe_prices(prices: list[LimitPrice], quality_title: str) -> str:
    """Say what the limits of a decision cost."""
    if not prices:
        return "There is no limit."
    deciding = [price for price in prices if price.decides and price.metric is not None]
    if not deciding:
        joint = next((price for price in prices if price.decides), None)
        if joint is None:
            return "No limit decides: the same candidate wins without them."
        return f"No single limit decides; without all of them, {joint.winner_without} would win."
    return " ".join(_describe_price(price, quality_title) for price in deciding)


def _describe_price(price: LimitPrice, quality_title: str) -> str:
    limit = _name_limit(price)
    if price.winner is None:
        return f"Without the limit of {limit}, {price.winner_without} would qualify."
    lost = _subtract(price.quality_raw_without, price.quality_raw)
    change = "" if lost is None else f", with {_write_change(lost)} {quality_title}"
    return f"Without the limit of {limit}, {price.winner_without} would win{change}."


def _write_change(difference: float) -> str:
    """Write a difference as words.

    >>> _write_change(0.017), _write_change(-0.02)
    ('0.017 more', '0.020 less')
    """
    return f"{format_quality(abs(difference))} {'less' if difference < 0 else 'more'}"


def _name_limit(price: LimitPrice) -> str:
    if price.metric is None or price.kind is None or price.limit is None:
        return "all limits together"
    return describe_limit(price.metric, price.kind, price.limit)


def tabulate_prices(prices: list[LimitPrice]) -> Table:
    """List who would win without each limit, and at which quality and speed."""
    return tabulate(
        "The price of each limit",
        prices,
        sentence("Limit", _name_limit),
        number("The winner's", lambda row: _write_value(row, row.value)),
        text("Without it wins", _write_other),
        number("At", lambda row: _write_value(row, row.value_without) if row.decides else ""),
        number("Quality lost", _write_lost),
        number("Throughput", _write_throughput),
    )


def _write_value(price: LimitPrice, value: float | None) -> str:
    return "" if price.metric is None else format_metric(price.metric, value)


def _write_other(price: LimitPrice) -> str:
    if price.winner_without is None:
        return "none either"
    if price.decides:
        return price.winner_without
    if price.winner != price.winner_without:
        return f"the same, as {price.winner_without}"
    return "the same"


def _write_lost(price: LimitPrice) -> str:
    lost = _subtract(price.quality_raw_without, price.quality_raw)
    if lost is None:
        return NOT_MEASURED
    return format_quality(lost) if price.decides else "none"


def _write_throughput(price: LimitPrice) -> str:
    if not price.decides:
        return ""
    now, then = price.throughput_rows_per_s, price.throughput_rows_per_s_without
    unit = metric_unit(THROUGHPUT)
    return f"{format_number(now)} instead of {format_number(then)} {unit}"


def _subtract(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
