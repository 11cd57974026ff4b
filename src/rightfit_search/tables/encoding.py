"""Fit an encoder on train rows, and encode rows by it as float32 columns.

Rows are encoded by the encoder's ONNX graph, the one that serves requests; see
``rightfit.data.request_path.encoder_graph``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit._core.frames import RawTableError, require_columns
from rightfit.data.request_path.dates import DATE_PARTS, WEEKDAYS, find_months, read_texts
from rightfit.data.request_path.encoder import (
    MEAN,
    OTHER,
    Date,
    Encoder,
    Indicate,
    OneHot,
    Picture,
    Pixels,
    Standardise,
    Step,
    TargetMean,
    Words,
    name_features,
)
from rightfit.data.request_path.encoder_graph import build_encoder
from rightfit.data.request_path.feeding import (
    Columns,
    TensorInput,
    decode_image,
)
from rightfit.data.request_path.raw_inputs import NUMBERS, TEXTS, list_inputs, split_words
from rightfit.data.request_path.row_reading import write_texts
from rightfit.data.request_path.usage import Answer, Floats, open_graph
from rightfit.models.onnx_session import open_session
from rightfit_search.tables.description_parts import Features
from rightfit_search.tables.images import require_pillow
from rightfit_search.tables.target_means import (
    MIN_COVERED_SHARE,
    CategoryMeans,
    Positions,
    fit_category_means,
    list_targets,
    number_rows,
)

NOT_CATEGORIES = (OTHER, MEAN, "")  # a request writes a missing text as an empty one
MIN_TEXTS = 2  # train rows that a word must occur in; one row teaches nothing about others
N_BATCH_ROWS, N_BATCH_VALUES = 2**16, 2**21  # encoded by one call of a graph, at most
NO_TEXTS: Mapping[str, str] = {}
N_DIGITS = 6  # of fitted numbers: hides how a machine orders its sums
FEWEST_MEANS = 6  # categories; fewer are parted as well by a cut or two of their 0/1 columns


def fit_encoder(
    features: Features, rows: pl.DataFrame, decimals: Mapping[str, str] = NO_TEXTS
) -> Encoder:
    """Fit an encoder on the train rows among all parts' rows; see :func:`fit_encoder_steps`.

    Args:
        features: Which columns are encoded, and how.
        rows: Rows with ``label`` and ``part``, not encoded.
        decimals: By column the decimal mark of numbers that were read from texts.
    """
    train = rows.filter(pl.col("part") == "train")
    encoder = fit_encoder_steps(features, train, train["label"])
    return encoder.model_copy(update={"decimals": decimals})


def fit_encoder_steps(
    features: Features, train: pl.DataFrame, labels: pl.Series | None = None
) -> Encoder:
    """Fit an encoder.

    Args:
        features: Which columns are encoded, and how.
        train: Train rows, not encoded; no others, or what is learnt leaks into the measurement.
        labels: What these rows are to teach, for means by category: values as floats, or class
            positions as integers. ``None``: no means.

    Raises:
        RawTableError: If a numeric column has no value in the train rows, a text no word, or two
            feature columns would have one name.
    """
    empty = [name for name in features.numeric if train[name].drop_nulls().is_empty()]
    if empty:
        raise RawTableError(
            f"The numeric features {empty} have no value in the {train.height} train rows. "
            "Remove them from features or raise max_train_rows."
        )
    steps: list[Step] = [_fit_standardise(train[name]) for name in features.numeric]
    steps += [Indicate(column=name) for name in features.indicate_missing]
    categories = [
        _fit_one_hot(train[name], min_share=features.min_category_share)
        for name in features.categorical
    ]
    means: list[TargetMean] = []
    if labels is not None and features.target_means and categories:
        numbers = number_rows(train)
        for one_hot in categories:
            means += _fit_target_means(one_hot, train[one_hot.column], labels, numbers)
    steps += [one_hot for one_hot in categories if one_hot.categories]
    steps += means
    steps += [
        _fit_date(train[name], month_first=name in features.month_first) for name in features.date
    ]
    steps += [_fit_words(train[name], max_words=features.max_words) for name in features.text]
    if features.image is not None:
        kind = Picture if features.image.format == "file" else Pixels
        steps.append(kind(column=features.image.column, shape=features.image.shape))
    encoder = Encoder(steps=tuple(steps or categories))  # a lone bucket, where nothing tells more
    twice = sorted(name for name, n in Counter(name_features(encoder)).items() if n > 1)
    if twice:
        raise RawTableError(
            f"Encoding would give several columns the names {twice}. "
            "Rename or derive one of their sources."
        )
    return encoder


def apply_encoder(encoder: Encoder, rows: pl.DataFrame) -> pl.DataFrame:
    """Encode rows.

    Columns that the encoder does not read are ignored.

    Returns:
        Float32 columns named as :func:`name_features` says, without nulls, in the rows' order.

    Raises:
        RightfitError: If a column is missing, or an image file is damaged.
    """
    require_columns(rows, (step.column for step in encoder.steps))
    if rows.height <= N_BATCH_ROWS:
        return _run_graph(encoder, rows)
    encoded = []
    for step in encoder.steps:  # a column alone need not be laid beside others row by row
        column, alone = rows.select(step.column), Encoder(steps=(step,))
        if isinstance(step, OneHot | TargetMean):
            column = write_texts(rows[step.column]).to_frame()
            distinct = column.unique()
            if distinct.height <= N_BATCH_ROWS:
                of_distinct = _run_graph(alone, distinct).with_columns(distinct)
                joined = column.join(
                    of_distinct, on=step.column, how="left", nulls_equal=True, maintain_order="left"
                )
                encoded.append(joined.drop(step.column))
                continue
        encoded.append(_run_graph(alone, column))
    return pl.concat(encoded, how="horizontal")


def open_encoder(encoder: Encoder) -> Answer:
    """Open an encoder for many calls, which are fed as requests are.

    Args:
        encoder: One without an image.

    Returns:
        A function from raw columns to encoded rows, shape (n_rows, n_features), which refuses what
        requests may not hold by a ``ValueError``.
    """
    plain = encoder.to_json()
    inputs = list_inputs(plain)
    answer = open_graph(build_encoder(plain), inputs, n_threads=1, device="cpu")
    n_features = len(name_features(encoder))
    names = [name for tensor in inputs for name in tensor.columns]

    def encode(columns: Columns) -> Floats:
        n_rows = len(next(iter(columns.values())))
        n_batch = _size_batch(n_features)
        if n_rows <= n_batch:
            return answer(columns) if n_rows else np.empty((0, n_features), np.float32)
        starts = range(0, n_rows, n_batch)
        return np.concatenate(
            [answer({name: columns[name][i : i + n_batch] for name in names}) for i in starts]
        )

    return encode


def make_request(rows: pl.DataFrame, inputs: Sequence[TensorInput]) -> dict[str, Any]:
    """Return rows as an encoder that is open reads them, which has these inputs."""
    return {
        name: rows[name].cast(pl.Float64) if tensor.name == NUMBERS else write_texts(rows[name])
        for tensor in inputs
        for name in tensor.columns
    }


def encode_part(encoder: Encoder, rows: pl.DataFrame, part: str) -> pl.DataFrame:
    """Encode the rows of one part of a dataset.

    Args:
        encoder: Fitted on the train rows.
        rows: Rows of all parts, with the columns ``label`` and ``part``.
        part: ``train``, ``validation`` or ``test``.

    Returns:
        Float32 features, then the column ``label``. Means of the target are those of all train
        rows, but out of fold in these rows themselves; see ``target_means``.
    """
    chosen = rows.filter(pl.col("part") == part)
    encoded = apply_encoder(encoder, chosen).with_columns(chosen["label"])
    if part == "train" and any(isinstance(step, TargetMean) for step in encoder.steps):
        columns, targets, numbers = [], list_targets(chosen["label"]), number_rows(chosen)
        for step in encoder.steps:
            if isinstance(step, TargetMean):  # no mean holds its row's own target
                texts = write_texts(chosen[step.column]).fill_null("")
                target = targets[step.target]
                means = fit_category_means(texts, step.categories, target, numbers=numbers)
                [name] = step.names()
                columns.append(pl.Series(name, means.out_of_fold, dtype=pl.Float32))
        encoded = encoded.with_columns(columns)
    return encoded


def _run_graph(encoder: Encoder, rows: pl.DataFrame) -> pl.DataFrame:
    """Encode rows by the encoder's ONNX graph, the one that serves them."""
    names = list(name_features(encoder))
    if rows.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(names, pl.Float32))
    plain = encoder.to_json()
    session = open_session(build_encoder(plain))
    feed = {tensor.name: _read_tensor(rows, tensor) for tensor in list_inputs(plain)}
    n_rows = _size_batch(len(names))
    batches = []
    for start in range(0, rows.height, n_rows):
        part = {name: values[start : start + n_rows] for name, values in feed.items()}
        batches.append(pl.from_numpy(session.run(None, part)[0], schema=names))
    return pl.concat(batches)


def _size_batch(n_features: int) -> int:
    return max(1, min(N_BATCH_ROWS, N_BATCH_VALUES // n_features))


def _read_tensor(rows: pl.DataFrame, tensor: TensorInput) -> npt.NDArray[Any]:
    """Return an input of an encoder's graph, shape (n_rows, n_values)."""
    columns = rows.select(tensor.columns)
    if tensor.name == NUMBERS:
        return columns.cast(pl.Float64).to_numpy(order="c")
    if tensor.name == TEXTS:
        texts = [write_texts(column).fill_null("").to_list() for column in columns]
        return np.array(texts, dtype=object).T.copy()
    image = columns.to_series()
    if tensor.image_shape is None:
        content = np.frombuffer(b"".join(image.to_list()), dtype=np.uint8)
        return content.reshape(rows.height, -1)
    require_pillow()
    pixels = np.empty((rows.height, math.prod(tensor.image_shape)), dtype=np.uint8)
    for i, file in enumerate(image):
        try:
            pixels[i] = decode_image(file or b"", tensor.image_shape)
        except ValueError as err:
            raise RawTableError(
                f"Row {i} of the column {image.name!r} ({len(file or b''):,} bytes): {err}. "
                "Replace the file, or remove its row."
            ) from err
    return pixels


def _fit_standardise(column: pl.Series) -> Standardise:
    values = column.drop_nulls().cast(pl.Float64)
    scale = _rounded(values.std(ddof=0))
    if not math.isfinite(scale):
        highest = np.abs(values.to_numpy()).max()
        raise RawTableError(
            f"The numeric feature {column.name!r} has values up to {highest:.1e}, too "
            "large to standardise. Correct them, or remove it from features."
        )
    return Standardise(
        column=column.name,
        fill=_rounded(values.median(), scale=scale),
        mean=_rounded(values.mean(), scale=scale),
        scale=scale if scale > 0 else 1.0,  # a constant column becomes 0
    )


def _fit_one_hot(column: pl.Series, *, min_share: float) -> OneHot:
    counts = write_texts(column).drop_nulls().value_counts(name="n_rows")
    frequent = counts.filter(pl.col("n_rows") >= max(1.0, min_share * column.len()))
    categories = sorted(frequent[column.name].to_list())
    return OneHot(
        column=column.name,
        categories=tuple(category for category in categories if category not in NOT_CATEGORIES),
    )


def _fit_target_means(
    one_hot: OneHot, column: pl.Series, labels: pl.Series, numbers: Positions
) -> Iterator[TargetMean]:
    """Yield the target's means by category that tell something.

    Where frequent categories cover half of the rows only these have means, and only of values: a
    model parts classes by the 0/1 columns as well. Where they do not, every category has one.
    """
    texts = write_texts(column).fill_null("")
    covered, n_known = int(texts.is_in(one_hot.categories).sum()), int((texts != "").sum())
    has_many = covered < MIN_COVERED_SHARE * n_known
    categories = _list_categories(texts) if has_many else one_hot.categories
    if len(categories) < FEWEST_MEANS or not (has_many or labels.dtype.is_float()):
        return
    for target, values in list_targets(labels).items():
        means = fit_category_means(texts, categories, values, numbers=numbers)
        if means.tell:
            yield _write_target_mean(column.name, target, categories, means)


def refit_target_means(encoder: Encoder, rows: pl.DataFrame) -> Encoder:
    """Return an encoder that averages the target over more rows; all else stays.

    Args:
        encoder: Fitted on some of the rows.
        rows: Rows with the column ``label``.
    """
    encoded = {step.categories for step in encoder.steps if isinstance(step, OneHot)}
    targets, numbers = list_targets(rows["label"]), np.arange(rows.height)  # folds do not count
    steps: list[Step] = []
    for step in encoder.steps:
        if isinstance(step, TargetMean):
            texts = write_texts(rows[step.column]).fill_null("")
            categories = step.categories if step.categories in encoded else _list_categories(texts)
            target = targets[step.target]
            means = fit_category_means(texts, categories, target, numbers=numbers)
            steps.append(_write_target_mean(step.column, step.target, categories, means))
        else:
            steps.append(step)
    return encoder.model_copy(update={"steps": tuple(steps)})


def _list_categories(texts: pl.Series) -> tuple[str, ...]:
    return tuple(sorted(set(texts.unique()) - set(NOT_CATEGORIES)))


def _write_target_mean(
    column: str, target: int | None, categories: tuple[str, ...], means: CategoryMeans
) -> TargetMean:
    rounded = tuple(round(float(mean), N_DIGITS) + 0.0 for mean in means.of_categories)  # no -0.0
    return TargetMean(column=column, target=target, categories=categories, means=rounded)


def _fit_date(column: pl.Series, *, month_first: bool) -> Date:
    texts = write_texts(column).fill_null("").to_list()
    is_date, parts = read_texts(texts, month_first=month_first)
    dates = parts[is_date[:, 0] > 0]
    if not len(dates):
        raise RawTableError(
            f"The date feature {column.name!r} has no date in the {len(texts)} train rows. Remove "
            "it from features."
        )
    figures = {}  # of each part: what fills it, its mean and its scale
    for part, values in zip(DATE_PARTS, dates.T, strict=True):
        if part in WEEKDAYS:
            figures[part] = (0.0, 0.0, 1.0)
        elif values.std() > 0:
            scale = _rounded(values.std())
            middle, mean = (_rounded(v, scale=scale) for v in (np.median(values), values.mean()))
            figures[part] = (middle, mean, scale)
    fills, means, scales = zip(*figures.values(), strict=True)
    return Date(
        column=column.name,
        parts=tuple(figures),
        fills=fills,
        means=means,
        scales=scales,
        month_first=month_first,
        month_names=any(map(find_months, texts)),
    )


def _fit_words(column: pl.Series, *, max_words: int) -> Words:
    """Choose the words of most texts; weigh them by scikit-learn's smooth inverse frequency."""
    texts = column.cast(pl.String).fill_null("").to_list()
    n_texts = Counter(word for text in texts for word in set(split_words(text)))
    shared = {word: n for word, n in n_texts.items() if n >= MIN_TEXTS} or n_texts
    if not shared:
        raise RawTableError(
            f"The text feature {column.name!r} has no word in the {len(texts)} train rows. "
            "Remove it from features."
        )
    words = sorted(sorted(shared, key=lambda word: (-shared[word], word))[:max_words])
    return Words(
        column=column.name,
        words=tuple(words),
        weights=tuple(
            _rounded(math.log((1 + len(texts)) / (1 + shared[word])) + 1) for word in words
        ),
    )


def _rounded(value: Any, *, scale: float | None = None) -> float:
    """Round to few digits; what a scale divides, to at least as many as hold three of the scale."""
    number, n_digits = float(value), N_DIGITS
    if scale is not None and number:
        spread = max(scale, abs(number) * np.finfo(float).eps)
        n_digits = max(n_digits, 3 + math.ceil(math.log10(abs(number) / spread)))
    return float(f"{number:.{n_digits}g}")
