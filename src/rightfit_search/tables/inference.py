"""Infer what a dataset's block leaves out: schemas, task, classes, quality, split and features.

Each rule is one function; the rules stand in ``docs/howto/table.md``.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.frames import Table
from rightfit._core.spelling import name_some
from rightfit.data.request_path.dates import MONTHS, read_texts
from rightfit.data.request_path.encoder import Notation
from rightfit.data.request_path.feeding import SIGNS
from rightfit.data.request_path.number_texts import (
    NO_UNIT,
    PHONE,
    describe_number_texts,
    infer_decimal,
    parse_numbers,
)
from rightfit.data.request_path.raw_inputs import split_words
from rightfit.models.quality.bounds import FLATTERS, is_even
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.schema import Task
from rightfit_search.tables.description import (
    FEATURE_LISTS,
    N_CHANNELS,
    RESERVED_COLUMNS,
    DatasetBlock,
    find_leaks,
)
from rightfit_search.tables.description_parts import (
    ALL_OTHERS,
    PLAIN_DTYPES,
    ByteLength,
    ClockMinutes,
    ColumnGroup,
    ColumnSplit,
    Features,
    Image,
    Split,
    TableSchema,
    Target,
    draw_share,
    expand_names,
)
from rightfit_search.tables.images import infer_shape
from rightfit_search.tables.tables import cast_without_loss, count_distinct_rows
from rightfit_search.tables.target_means import MIN_CATEGORY_ROWS, MIN_COVERED_SHARE

SPLIT_COLUMN = "split"
TRAIN, TEST = "train", "test"
TEST_SHARE = 0.2
MIN_ROWS_SHARE = 0.5  # a table with fewer rows than this share of today's is taken for truncated
NULL_FACTOR = 2  # the share of gaps allowed, against today's
MAX_CLASSES = 100
MANY_NUMBERS = 10  # more different numbers than digits are rarely meant as classes
MOST_NUMBERS = 0.8  # share of texts that look like numbers, from which the others are marks of gaps
MANY_GAPS = 0.05  # share of gaps from which their place is a feature of its own
MIN_CATEGORY_SHARE = 0.01  # of the rows; rarer categories share one bucket
MIN_COPIES_SHARE = 0.01  # of the rows; fewer change no figure
MIN_WORDS = 3  # of half of the texts, if they are free text and no names or codes
N_TEXTS = 1000  # texts whose words are counted
N_FEW_IDENTIFIERS = 100  # an "…_id" with so few values may well be a category
MIN_ROWS_TO_SEPARATE = 30  # in fewer rows a number may separate or order the outcomes by chance
N_RANKED_FIRST = 1_000  # rows that show most columns to be no copy: ranking all takes long
N_SUSPECTED = 100_000  # rows that show how well a column alone tells the outcome
MIN_GIVEAWAY_AUC = 0.98  # of one column alone; honest ones rarely reach it
MIN_GIVEAWAY_CORRELATION = 0.99  # of ranks
MIN_GIVEAWAY_RECALL = 0.98  # of three classes or more, on average; honest columns reach 0.88

IMAGE_FILE = r"(?i)\.(png|jpe?g)$"
_IDENTIFIER = re.compile(r"(?i:(.*[_ -])?(id|uuid|guid|index|key))|.*[a-z](Id|ID)")
_REPEATED_NAME = re.compile(r"(.+)_duplicated_\d+")  # as polars reads it from a CSV file
_TRUTH_VALUES = {
    **dict.fromkeys(("1", "t", "true", "y", "yes", "on"), "true"),
    **dict.fromkeys(("0", "f", "false", "n", "no", "off"), "false"),
}

TIME = r"([T ,]+\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?)?$"
YEAR_FIRST = r"^\d{4}-\d{2}$|^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}" + TIME
YEAR_LAST = r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}" + TIME
_MONTH = rf"[-/., ]*({'|'.join(sorted(MONTHS, reverse=True))})[-/., ]*"
NAMED = (
    rf"(?i)^([a-z]{{3,9}},? )?(\d{{1,2}}{_MONTH}\d{{4}}|{_MONTH}(\d{{1,2}}[-/., ]+)?\d{{4}}"
    rf"|\d{{4}}{_MONTH}\d{{1,2}}){TIME}"
)

KindName = Literal["numeric", "categorical", "text", "date", "bytes", "unused"]


@dataclass(frozen=True)
class Kind:
    """What a column can be.

    Args:
        name: How it is encoded.
        reason: Why it is left out, or what to know about a column that is not.
        month_first: Whether its dates begin with the month.
    """

    name: KindName
    reason: str = ""
    month_first: bool = False


RESERVED = Kind("unused", "reserved name: rename to use")
JOINED_ON_HIDDEN = Kind("unused", "joined on one of not_features, the target or the split")
ALL_FEATURES = Features.model_validate({name: [ALL_OTHERS] for name in FEATURE_LISTS})

Kinds = Mapping[str, Kind]


def infer_schema(
    table: Table,
    columns: Sequence[str],
    target: Target | None,
    *,
    texts: Collection[str] = (),
    task: Task | None = None,
) -> TableSchema:
    """Describe columns as they are today, with room for more gaps and fewer rows.

    Columns of a dtype that no description has are left out. Texts that are all numbers or gaps are
    numbers, but for ``texts`` and for a target of few different ones, which are classes.

    Raises:
        RightfitError: If the target is one of those.
    """
    groups: dict[tuple[str, float, int | None, Notation | None], list[str]] = {}
    marks = _order_marks(table, columns)
    for column in (table[name] for name in columns):
        is_target = target is not None and column.name == target.column
        decimal = None if column.name in texts else infer_decimal(column, marks=marks)
        if target is not None and is_target and not _predicts_number(target, column, task):
            decimal = None
        if decimal and (numbers := parse_numbers(column, decimal)) is not None:
            column = numbers
        dtype = str(column.dtype)
        if is_target and column.dtype.is_float() and cast_without_loss(column, "Int64") is not None:
            dtype = "Int64"
        if dtype in PLAIN_DTYPES or isinstance(column.dtype, pl.Datetime):
            share = column.null_count() / max(1, column.len())
            allowed = math.ceil(100 * min(1.0, NULL_FACTOR * share)) / 100
            looks = dtype, allowed, find_length(column), decimal
            groups.setdefault(looks, []).append(column.name)
        elif is_target:
            raise RightfitError(
                f"target.column {column.name!r} is {column.dtype}; allowed are numbers, texts and "
                "truth values"
            )
    return TableSchema(
        min_rows=max(1, int(MIN_ROWS_SHARE * table.height)),
        columns=tuple(
            ColumnGroup(
                names=tuple(names),
                dtype=dtype,
                decimal=decimal,
                allowed=ByteLength(n_bytes=n_bytes) if n_bytes else "any",
                max_null_share=share,
            )
            for (dtype, share, n_bytes, decimal), names in groups.items()
        ),
    )


def _order_marks(table: Table, columns: Sequence[str]) -> str:
    """Return a table's likelier decimal mark first: the comma if only it is certain in a column."""
    rows = table.slice(0, N_RANKED_FIRST)
    certain = {
        notation[0]
        for name in columns
        if (notation := infer_decimal(rows[name])) is not None
        and notation == infer_decimal(rows[name], marks=",.")
    }
    return ",." if certain == {","} else ".,"


def note_decimal(column: pl.Series, decimal: Notation | None) -> str:
    """Say how numbers written as texts were read, if they could be read otherwise; else nothing.

    >>> note_decimal(pl.Series(["5 km", "7 km", "8"]), ". km")
    "2 values look like numbers with 'km', 1 without a unit: read as numbers of one unit"
    """
    if decimal is None or column.dtype != pl.String:
        return ""
    notes, unit = [], decimal[2:]
    other: Notation = ("," if decimal[0] == "." else ".") + decimal[1:]
    numbers, others = parse_numbers(column, decimal), parse_numbers(column, other)
    if numbers is None:
        return ""
    texts = column.filter(numbers.is_not_null())
    n_bare = int(texts.str.contains(NO_UNIT).sum())
    if unit and (n_bare or unit not in SIGNS):
        rest = f", {n_bare:,} without a unit" if n_bare else ""
        notes.append(
            f"{texts.len() - n_bare:,} values look like numbers with {unit!r}{rest}: read as "
            f"numbers{' of one unit' if n_bare else ''}"
        )
    if others is not None and (differs := numbers.ne_missing(others)).any():
        text, number = column.filter(differs)[0], numbers.filter(differs)[0]
        notes.append(
            f"{text!r} is read as {number:.10g}; where it means another number, pass numbers"
        )
    return "; ".join(notes)


def note_copies(table: Table) -> tuple[str, ...]:
    """Say how many rows of a table repeat an earlier one in every column, if many do.

    >>> note_copies(pl.DataFrame({"a": [1, 1, 2], "b": ["x", "x", "x"]}))[0][:46]
    '1 of 3 rows repeats an earlier one in every co'
    """
    n_copies = table.height - count_distinct_rows(table)
    if n_copies < MIN_COPIES_SHARE * max(1, table.height):
        return ()
    return (
        f"{n_copies:,} of {table.height:,} rows {'repeats' if n_copies == 1 else 'repeat'} an "
        f"earlier one in every column. Drop them if they were recorded twice: where a test row was "
        f"learnt, {FLATTERS}",
    )


def note_rare_class(target: Target, outcome: pl.Series, quality: QualityMetric) -> tuple[str, ...]:
    """Say how two classes are told apart, where one is rare and no metric was asked for.

    Args:
        target: What is predicted, with the names of its classes.
        outcome: The class of each row.
        quality: The metric that was inferred.
    """
    counts = outcome.drop_nulls().value_counts(name="n_rows").sort("n_rows")
    n_known = int(counts["n_rows"].sum())
    if counts.height != 2 or is_even(counts["n_rows"][1] / n_known, 2):
        return ()
    value = counts[outcome.name]
    is_limit = target.at_least is not None
    rare = target.classes[int(value[0])] if is_limit else value.cast(pl.String)[0]
    costs = "[[0, 5], [1, 0]]" if rare == target.classes[0] else "[[0, 1], [5, 0]]"
    return (
        f"target.column {target.column!r}: {counts['n_rows'][0] / n_known:.1%} of the rows are "
        f"{rare!r}. Models are compared by {quality.name}, which needs no threshold, and answer "
        "the likelier class. Where a missed one costs more than a false alarm, say so: quality: "
        f"{{costs: {costs}}}",
    )


def note_alike_classes(classes: Sequence[str], column: str) -> tuple[str, ...]:
    """Say which classes differ by case or blanks alone, or are truth values written in two ways.

    >>> note_alike_classes(["0", "1", "no", "yes"], "sold")[0][:54]
    "classes of 'sold' that may mean the same: '0', 'no'; '"
    >>> note_alike_classes(["0", "1"], "sold"), note_alike_classes(["0", "1", "2"], "stars")
    ((), ())
    """
    plain = {name: name.strip().casefold() for name in classes}
    if set(plain.values()) <= set(_TRUTH_VALUES):
        plain = {name: _TRUTH_VALUES[word] for name, word in plain.items()}
    groups: dict[str, list[str]] = {}
    for name, word in plain.items():
        groups.setdefault(word, []).append(repr(name))
    alike = [name_some(names) for names in groups.values() if len(names) > 1]
    if not alike:
        return ()
    return (
        f"classes of {column!r} that may mean the same: {'; '.join(alike)}. They are told apart as "
        "they are written: where they are one class, write it in one way in the table",
    )


def note_repeated_names(table: Table) -> tuple[str, ...]:
    """Say which columns of a CSV file had the name of another one, and are called otherwise here.

    >>> note_repeated_names(pl.DataFrame({"a": [1], "a_duplicated_0": [2]}))[0][:47]
    "'a_duplicated_0' is another column 'a' of the f"
    """
    return tuple(
        f"{name!r} is another column {match[1]!r} of the file, and requests must name it so. "
        "Rename it there, or leave it out by not_features"
        for name in table.columns
        if (match := _REPEATED_NAME.fullmatch(name)) and match[1] in table.columns
    )


def note_repeated_identifiers(table: Table, target: str) -> tuple[str, ...]:
    """Say which identifiers come in several rows, which a split at random does not keep together.

    >>> table = pl.DataFrame({"customer_id": [*range(200)] * 2, "bill": [1.0] * 400})
    >>> note_repeated_identifiers(table, "bill")[0][:52]
    "'customer_id' repeats: 200 values in 400 rows. Where"
    """
    remarks = []
    for name in table.columns:
        if name == target or not _IDENTIFIER.fullmatch(name):
            continue
        known = table[name].drop_nulls()
        if not (known.dtype.is_integer() or known.dtype == pl.String):
            continue
        n_distinct = known.n_unique()
        if n_distinct > N_FEW_IDENTIFIERS and MIN_CATEGORY_ROWS * n_distinct <= known.len():
            rule = f"{{method: by_group, share: {TEST_SHARE}, group_columns: [{name}]}}"
            remarks.append(
                f"{name!r} repeats: {n_distinct:,} values in {known.len():,} rows. Where the model "
                "will be asked about new ones, rows of one value must not be split between "
                f"training and test, or {FLATTERS}: split: {rule}, "
                f"validation: {rule}, not_features: [{name}]"
            )
    return tuple(remarks)


def _predicts_number(target: Target, column: pl.Series, task: Task | None) -> bool:
    if task is not None or target.classes:
        return task == "regression" or target.at_least is not None
    return target.at_least is not None or column.drop_nulls().n_unique() > MANY_NUMBERS


def infer_task(outcome: pl.Series) -> Task:
    """Return the task that a target's column asks for.

    Numbers with fractions, or more than ten different whole ones, are predicted as numbers; texts,
    truth values and few whole numbers are classes.

    >>> infer_task(pl.Series([0.5, 1.5])), infer_task(pl.Series([1, 2, 2]))
    ('regression', 'classification')
    """
    is_number = outcome.dtype.is_float() or (
        outcome.dtype.is_numeric() and outcome.drop_nulls().n_unique() > MANY_NUMBERS
    )
    return "regression" if is_number else "classification"


def infer_classes(target: Target, column: pl.Series) -> tuple[str, ...]:
    """Return the names of the classes: the column's values in order.

    Args:
        target: What is predicted.
        column: Its values; whether each reaches ``at_least``, if the target has that.

    Raises:
        RightfitError: If the values are no classes.
    """
    if target.at_least is not None:
        if column.len() and column.drop_nulls().n_unique() < 2:
            raise RightfitError(
                f"target.at_least {target.at_least:g} makes no two classes of "
                f"{target.column!r}: no row has a value, or all lie on one side"
            )
        return (f"below {target.at_least:g}", f"{target.at_least:g} or more")
    values = column.drop_nulls().unique().sort()
    where = f"target.column {column.name!r} has {values.len()} different values"
    if column.dtype != pl.String and column.dtype != pl.Boolean and not column.dtype.is_numeric():
        raise RightfitError(
            f"target.column {column.name!r} is {column.dtype}; classes need texts or integers"
        )
    if column.dtype.is_float() or (column.dtype.is_numeric() and values.len() > MAX_CLASSES):
        reason = "which make no classes" if column.dtype.is_float() else "too many for classes"
        raise RightfitError(
            f"{where} of dtype {column.dtype}, {reason}. Predict the number with task: "
            "regression, or make two classes of it with target.at_least, as in at_least: 30"
        )
    if values.len() > MAX_CLASSES:
        hint = describe_number_texts(column)
        raise RightfitError(
            f"{where}, such as {values[0]!r}; allowed are at most {MAX_CLASSES} classes"
            f"{hint and f'. If it is a number: {hint}'}"
        )
    if values.len() < 2:
        raise RightfitError(
            f"{where} ({values.to_list()!s:.60}); classification needs at least two"
        )
    return tuple(values.cast(pl.String).to_list())


def note_task_choice(
    target: Target, outcome: pl.Series, task: Task, *, is_said: bool
) -> tuple[str, ...]:
    """Say so if a whole number's task is a guess, or if many numbers were taken as classes.

    Of two different ones nothing is said: they are classes.
    """
    n_values = outcome.drop_nulls().n_unique()
    is_whole = outcome.dtype.is_numeric() and cast_without_loss(outcome, "Int64") is not None
    if target.classes or not is_whole:
        return ()
    where = f"target.column {outcome.name!r} has {n_values} different numbers"
    if task == "regression" and not is_said:
        return (
            f"{where} and is predicted as a number. If they are classes, say task: classification; "
            "target.at_least makes two classes of a number",
        )
    if task == "classification" and n_values > MANY_NUMBERS:
        return (
            f"{where}, each taken as a class; target.at_least makes two classes of them, task: "
            "regression predicts the number",
        )
    if task == "classification" and n_values > 2 and not is_said:
        return (
            f"the {n_values} different numbers of {outcome.name!r} are taken as classes. To "
            "predict the number, say task: regression; else say task: classification",
        )
    return ()


def infer_split(main: Table, task: Task) -> Split:
    """Take the documented split from a column ``split``; else draw a share at random."""
    if SPLIT_COLUMN in main.columns and main[SPLIT_COLUMN].dtype == pl.String:
        parts = set(main[SPLIT_COLUMN].unique().to_list())
        if {TRAIN, TEST} <= parts:
            return ColumnSplit(column=SPLIT_COLUMN, train=TRAIN, test=TEST)
    return draw_share(task, TEST_SHARE)


def find_length(column: pl.Series) -> int | None:
    """Return the length in bytes that all values share; ``None`` if there is none."""
    if column.dtype != pl.Binary:
        return None
    lengths = column.drop_nulls().bin.size().unique()
    return int(lengths[0]) if lengths.len() == 1 else None


def infer_features(
    block: DatasetBlock,
    draft: DatasetBlock,
    tables: Mapping[str, Table],
    *,
    outcome: pl.Series,
    task: Task,
) -> tuple[DatasetBlock, tuple[str, ...]]:
    """Replace the patterns of features by columns, ``*`` by all other columns of that kind.

    Args:
        block: What the configuration says; if it names no features, all are chosen.
        draft: The same with its other gaps filled.
        tables: Raw tables by name.
        outcome: Class or value of each row of the main table.
        task: What is predicted.

    Returns:
        ``draft`` with the features and what is derived for them; why columns are left out.

    Raises:
        RightfitError: If no column can be used.
    """
    table, described = tables[block.main_table], draft.schemas[block.main_table].by_column()
    main = {
        name: (table, name)
        for name in table.columns
        if name in described or block.main_table not in block.schemas
    }
    joined = {
        join.prefix + name: (tables[join.table], name)
        for join in draft.joins
        for name in join.columns
        if name in tables[join.table].columns  # else the check of the table says so
    }
    sources, decimals = main | joined, draft.list_decimals()

    def read(name: str) -> pl.Series:  # each column when it is asked for: a table may be on disk
        source, column = sources[name]
        values, decimal = source[column], decimals.get(name)
        numbers = parse_numbers(values, decimal) if decimal and values.dtype == pl.String else None
        return values if numbers is None else numbers

    features, hidden = block.features or ALL_FEATURES, find_leaks(draft)
    lists: dict[str, list[str]] = {key: [] for key in FEATURE_LISTS}
    for key, names in lists.items():
        for name in getattr(features, key):
            is_star = name == ALL_OTHERS  # stands for others once all that are named are known
            names += [name] if is_star else expand_names([name], list(sources), excluded=hidden)
    listed_names = {
        *lists["numeric"],
        *lists["categorical"],
        *lists["text"],
        *lists["date"],
    } | hidden
    kinds = {
        name: judge_column(read(name), None if name in joined else outcome, task)
        for name in sources
        if name not in listed_names
    }
    kinds |= {name: RESERVED for name in RESERVED_COLUMNS if name in kinds}
    kinds |= {
        step.name: Kind("numeric" if isinstance(step, ClockMinutes) else "categorical")
        for step in draft.derived
        if step.name not in listed_names
    }
    kinds |= {
        name: JOINED_ON_HIDDEN for name in joined if name in hidden.difference(draft.not_features)
    }
    for name in [name for name in kinds if name in decimals and not kinds[name].reason]:
        source, column_name = sources[name]
        note = note_decimal(source[column_name], decimals[name])
        kinds[name] = replace(kinds[name], reason=note)
    numeric = _fill(lists["numeric"], _of_kind(kinds, "numeric"))
    gaps = [
        name
        for name in numeric
        if name in sources
        and (column := read(name)).null_count() / max(1, column.len()) > MANY_GAPS
    ]
    dates = _fill(lists["date"], _of_kind(kinds, "date"))

    def begins_with_month(name: str) -> bool:
        column = read(name) if name in sources else None
        date = _find_date(column) if column is not None and column.dtype == pl.String else None
        return date is not None and date.month_first

    filled = features.model_copy(
        update={
            "numeric": numeric,
            "categorical": _fill(lists["categorical"], _of_kind(kinds, "categorical")),
            "text": _fill(lists["text"], _of_kind(kinds, "text")),
            "date": dates,
            "month_first": tuple(
                name for name in dates if name in features.month_first or begins_with_month(name)
            ),
            "indicate_missing": _fill(lists["indicate_missing"], gaps),
        }
    )
    if not filled.columns:
        filled = _use_image(filled, read, kinds)
    complete = draft.model_copy(update={"features": filled})
    return complete, _list_remarks(kinds, filled)


def _fill(names: Iterable[str], other_names: list[str]) -> tuple[str, ...]:
    return tuple(
        feature for name in names for feature in (other_names if name == ALL_OTHERS else [name])
    )


def _of_kind(kinds: Kinds, kind_name: KindName) -> list[str]:
    return [name for name, kind in kinds.items() if kind.name == kind_name]


def _list_remarks(kinds: Kinds, features: Features) -> tuple[str, ...]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, kind in kinds.items():
        if kind.reason:
            use = f"used as {kind.name}" if name in features.columns else "not used as features"
            reasons.setdefault((use, kind.reason), []).append(repr(name))
    return tuple(
        f"{use}: {name_some(names)} ({reason})" for (use, reason), names in reasons.items()
    )


def _use_image(features: Features, read: Callable[[str], pl.Series], kinds: Kinds) -> Features:
    of_bytes = _of_kind(kinds, "bytes")
    if len(of_bytes) == 1:
        column = read(of_bytes[0])
        if shape := infer_shape(column):
            image = Image(column=of_bytes[0], shape=shape, format="file")
            return features.model_copy(update={"image": image})
        n_bytes = find_length(column) or 0
        for n_channels in N_CHANNELS:
            side = math.isqrt(n_bytes // n_channels)
            if n_bytes and side * side * n_channels == n_bytes:
                image = Image(column=of_bytes[0], shape=(side, side, n_channels))
                return features.model_copy(update={"image": image})
    if of_bytes:
        raise RightfitError(
            f"features: no column can be used as it is; columns of bytes are {of_bytes}. "
            "Say what they are, as in features: {image: {column: image, shape: [28, 28, 1]}}"
        )
    reasons = "; ".join(_list_remarks(kinds, features)) or "there is no column but the target"
    raise RightfitError(
        f"features: no column can be used: {reasons}. Name those that can all the same, as in "
        "features: {numeric: [a]}"
    )


def judge_column(column: pl.Series, outcome: pl.Series | None, task: Task) -> Kind:
    """Judge a column.

    Args:
        column: Its values.
        outcome: The classes or values of the same rows, ``None`` where rows do not correspond (a
            joined table's column).
        task: What is predicted.
    """
    kind = _judge_values(column, outcome, task)
    if outcome is None or kind.reason or kind.name in ("unused", "bytes"):
        return kind
    return replace(kind, reason=_suspect_leak(column, outcome, task))


def _judge_values(column: pl.Series, outcome: pl.Series | None, task: Task) -> Kind:
    if column.dtype == pl.Object:
        return Kind("unused", "no use is known for Python's objects")
    n_distinct = column.drop_nulls().n_unique()
    if n_distinct <= 1:
        return Kind("unused", "constant")
    if outcome is not None and (leak := _find_leak(column, outcome, task, n_distinct)):
        return Kind("unused", leak)
    if column.dtype.is_integer():
        is_unique = n_distinct == column.len()
        if _IDENTIFIER.fullmatch(column.name):
            if not is_unique and n_distinct > N_FEW_IDENTIFIERS:
                return _judge_many_values(n_distinct, column.len() - column.null_count())
            is_identifier = is_unique
        else:  # a running number
            width = int(column.max()) - int(column.min())  # type: ignore[arg-type]
            is_identifier = is_unique and width == n_distinct - 1
        if is_identifier:
            return Kind("unused", "identifies rows")
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return Kind("numeric")
    if column.dtype == pl.String:
        return _find_text_kind(column, n_distinct)
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        zone = getattr(column.dtype, "time_zone", None)
        clock = f"as clocks of {zone} show it; zones are not converted, so predict by its times"
        return Kind("date", clock if zone else "")
    if column.dtype == pl.Binary:
        return Kind("bytes", "bytes")
    return Kind("unused", f"no use is known for {column.dtype}")


def _find_leak(column: pl.Series, outcome: pl.Series, task: Task, n_distinct: int) -> str | None:
    """Say why a column can only be a copy of the target; ``None`` if it need not be one."""
    n_classes = None if task == "regression" else outcome.drop_nulls().n_unique()
    if n_classes == 2 and column.null_count():
        filled = pl.DataFrame({"filled": column.is_not_null(), "outcome": outcome}).drop_nulls()
        is_same = filled["filled"].n_unique() == filled.unique().height == n_classes
        if is_same and filled.height >= MIN_ROWS_TO_SEPARATE:
            return "is filled in every row of one class and in none of the other"
    if not column.dtype.is_numeric() and n_distinct != n_classes:
        return None  # before wide texts are copied
    pairs = pl.DataFrame({"value": column, "outcome": outcome}).drop_nulls()
    is_telling = column.dtype.is_numeric() and pairs.height >= MIN_ROWS_TO_SEPARATE
    if n_classes is None:
        if not is_telling:
            return None
        # the target in another unit, or with the sign turned? What orders all rows orders some
        is_copy = _orders_alike(pairs.head(N_RANKED_FIRST)) and _orders_alike(pairs)
        return "orders the rows exactly as the target does" if is_copy else None
    if n_distinct == n_classes == pairs["outcome"].n_unique() == pairs.unique().height:
        return "repeats the target, one value per class"
    if not is_telling:
        return None
    # do the ranges of the classes not overlap, as if they were cut from the column?
    value = pl.col("value")
    ranges = pairs.group_by("outcome").agg(low=value.min(), high=value.max()).sort("low")
    if ranges.height > 1 and (ranges["low"][1:] > ranges["high"][:-1]).all():
        return "separates the classes without error, as the target itself would"
    return None


def _suspect_leak(column: pl.Series, outcome: pl.Series, task: Task) -> str:
    """Say how well a column alone tells the outcome, if almost without error; else nothing.

    Classes are told by numbers, by the values of a category of few, or by gaps alone.
    """
    pairs = pl.DataFrame({"value": column, "outcome": outcome})
    pairs = pairs.gather_every(max(1, -(-pairs.height // N_SUSPECTED))).drop_nulls("outcome")
    is_number = column.dtype.is_numeric() or column.dtype == pl.Boolean
    if task == "regression":
        known = pairs.drop_nulls()
        if not is_number or known.height < MIN_ROWS_TO_SEPARATE:
            return ""
        ranks = known.select(pl.all().rank())
        correlation = abs(ranks.select(pl.corr("value", "outcome")).item())
        strength = f"rank correlation {correlation:.3f}"
        is_strong = correlation >= MIN_GIVEAWAY_CORRELATION
    elif pairs["outcome"].n_unique() > 2:
        recall = _find_lookup_recall(pairs)
        strength, is_strong = f"balanced accuracy {recall:.3f}", recall >= MIN_GIVEAWAY_RECALL
    else:
        classes = pairs["outcome"].unique()
        if classes.len() != 2:
            return ""
        is_second = pairs["outcome"] == classes[1]
        n_second, n_values = int(is_second.sum()), pairs["value"].n_unique()
        n_first = pairs.height - n_second
        if min(n_first, n_second) < MIN_ROWS_TO_SEPARATE:
            return ""
        values = pairs["value"]
        if is_number:
            scores = values.cast(pl.Float64).fill_null(-math.inf)
        elif n_values * MIN_ROWS_TO_SEPARATE <= pairs.height:
            rows = pl.DataFrame({"value": values, "score": is_second.cast(pl.Float64)})
            scores = rows.select(pl.col("score").mean().over("value"))["score"]
        else:
            scores = values.is_null().cast(pl.Float64)
        rank_sum = float(scores.rank().filter(is_second).sum())  # of Mann and Whitney
        auc = (rank_sum - n_second * (n_second + 1) / 2) / (n_first * n_second)
        auc = max(auc, 1 - auc)
        strength, is_strong = f"ROC AUC {auc:.3f}", auc >= MIN_GIVEAWAY_AUC
    if not is_strong:
        return ""
    return (
        f"alone it tells the target with a {strength}: if it is not known before the outcome, "
        f"{FLATTERS}, so name it in not_features"
    )


def _find_lookup_recall(pairs: pl.DataFrame) -> float:
    """Return how many rows of a class a value's most frequent class tells, on average over classes.

    Numbers fall into bins of equally many rows, so that none is learnt by heart. A class of few
    rows does not count.

    Args:
        pairs: ``value`` and ``outcome`` of each row.
    """
    values, n_rows = pairs["value"], pl.col("n_rows")
    if values.dtype.is_numeric():
        values = (values.cast(pl.Float64).rank("min") - 1) // MIN_ROWS_TO_SEPARATE
    elif values.n_unique() * MIN_ROWS_TO_SEPARATE > pairs.height:
        values = values.is_null()
    counts = pairs.with_columns(value=values).group_by("value", "outcome").len("n_rows")
    is_majority = 2 * n_rows > n_rows.sum().over("value")
    classes = (
        counts.with_columns(n_told=pl.when(is_majority).then(n_rows).otherwise(0))
        .group_by("outcome")
        .agg(pl.col("n_rows", "n_told").sum())
        .filter(n_rows >= MIN_ROWS_TO_SEPARATE)
    )
    recall = classes.select((pl.col("n_told") / n_rows).mean()).item()
    return 0.0 if classes.height < 2 else float(recall)


def _orders_alike(pairs: pl.DataFrame) -> bool:
    """Tell whether values order rows exactly as their outcomes do, or exactly the other way."""
    value, outcome = (pairs[name].rank("dense") for name in ("value", "outcome"))
    turned = pairs["value"].rank("dense", descending=True)
    return bool((value == outcome).all() or (turned == outcome).all())


def _find_text_kind(column: pl.Series, n_distinct: int) -> Kind:
    if (date := _find_date(column)) is not None:
        return date
    kind = _judge_texts(column, n_distinct)
    if not column.str.contains(r"\D").any():
        return kind
    hint = describe_number_texts(column, min_share=MOST_NUMBERS)
    reasons = [kind.reason, f"{hint}, which tell more" if hint else ""]
    return replace(kind, reason="; ".join(filter(None, reasons)))


def _judge_texts(column: pl.Series, n_distinct: int) -> Kind:
    """Judge texts that are no dates."""
    known = column.drop_nulls()
    counts = known.value_counts(name="n_rows")["n_rows"]
    covered = int(counts.filter(counts >= MIN_CATEGORY_SHARE * column.len()).sum())
    if n_distinct < known.len() and covered >= MIN_COVERED_SHARE * known.len():
        return Kind("categorical")
    if bool(known.str.contains(IMAGE_FILE).all()):
        return Kind("unused", "names image files")
    texts = known.filter(~known.str.contains(PHONE))
    n_words = [len(split_words(text)) for text in texts.head(N_TEXTS)]
    if n_words and statistics.median(n_words) >= MIN_WORDS:
        return Kind("text")
    if n_distinct == known.len():
        return Kind("unused", "every text differs")
    return _judge_many_values(n_distinct, known.len())


def _find_date(texts: pl.Series) -> Kind | None:
    """Judge texts that are all dates; ``None`` if they are not."""
    texts = texts.drop_nulls().unique()
    texts = texts.filter(texts.str.strip_chars() != "")
    if texts.is_empty():
        return None
    begins_with_year = texts.str.contains(YEAR_FIRST)
    is_named = texts.str.contains(NAMED)
    if not (begins_with_year | texts.str.contains(YEAR_LAST) | is_named).all():
        return None
    others = texts.filter(~begins_with_year & ~is_named)
    reads = {
        month_first: bool(read_texts(texts.to_list(), month_first=month_first)[0].all())
        for month_first in (False, True)
    }
    if not any(reads.values()):
        return None
    is_ambiguous = all(reads.values()) and bool(others.str.contains(r"[-/]").any())
    return Kind(
        "date",
        "day and month cannot be told apart; taken as day first, month_first in features says "
        "otherwise"
        if is_ambiguous
        else "",
        month_first=not reads[False],
    )


def _judge_many_values(n_distinct: int, n_rows: int) -> Kind:
    """Judge a category whose frequent values cover few rows: target means need some rows each."""
    if MIN_CATEGORY_ROWS * n_distinct <= n_rows:
        return Kind("categorical")
    return Kind("unused", f"{n_distinct:,} values in {n_rows:,} rows")
