"""Make a bundle of a model in memory, after it has answered some rows in the form it reads."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from rightfit.errors import RightfitError
from rightfit.families.bundle import Bundle, write_bundle_files
from rightfit.families.imported.facts import Facts
from rightfit.families.imported.objects import OBJECT_FILE, find_answers, make_call
from rightfit.families.imported.onnx_call import one_line
from rightfit.families.imported.row_table import Form, RowTable
from rightfit.families.imported.travelling import write_object
from rightfit.families.runtimes import NATIVE
from rightfit.families.schema import InputSchema

OBJECTS = "rightfit.families.imported.objects"
N_TRIED = 16  # rows; they tell what is answered, and what does not fit


def bundle_object(
    model: Any,
    folder: Path,
    *,
    name: str,
    facts: Facts,
    rows: RowTable,
    classes: tuple[str, ...] | None,
) -> Bundle:
    """Write a fitted model as a bundle that processes of this user can open.

    Args:
        model: The model; it is not changed.
        folder: Folder to create, below one that no other user can read.
        name: Its name.
        facts: What it says of itself.
        rows: Rows that it can answer, all columns that there are.
        classes: The classes, empty in regression; ``None``: its answers are not judged.

    Raises:
        RightfitError: If it cannot travel or does not answer the rows.
    """
    folder.mkdir(mode=0o700)
    travelled = write_object(model, folder / OBJECT_FILE, facts)
    read = select_columns(rows, facts)
    form, answers = try_rows(travelled.model, facts, read.head(N_TRIED))
    schema = InputSchema(read.columns, classes or (), None)
    return write_bundle_files(
        folder,
        model=name,
        family=f"{OBJECTS}:{facts.kind}",
        weights_file=OBJECT_FILE,
        configuration={
            "object": facts.name,
            "rows": form,
            "classes": list(facts.classes),
            "answers": find_answers(answers, facts, None if classes is None else schema),
            "imports": list(travelled.imports),
        },
        schema=schema,
    )


def select_columns(rows: RowTable, facts: Facts) -> RowTable:
    """Return the columns that a model reads, in its order.

    Raises:
        RightfitError: If there are others.
    """
    if facts.features is not None:
        return rows.select(facts.features, of=facts.name)
    if facts.n_features not in (None, len(rows.columns)):
        raise RightfitError(
            f"{facts.name} was fitted on {facts.n_features} columns without names, but the rows "
            f"have {len(rows.columns)}: {list(rows.columns[:10])}. Give the columns that it was "
            "fitted on, in their order."
        )
    return rows


def list_forms(rows: RowTable, facts: Facts) -> list[Form]:
    """Return the forms in which a model may read rows, the likeliest first.

    An estimator that was fitted on a frame knows its columns' names. What says nothing of its rows
    gets them as they were given; the weights of torch modules are float32.
    """
    likeliest: tuple[Form, ...]
    if facts.kind == "torch":
        likeliest = ("floats", "matrix")
    elif facts.features is not None:
        likeliest = (rows.frame, "pandas", "polars")
    elif facts.n_features is not None:
        likeliest = ("matrix",)
    else:
        likeliest = (rows.form, rows.frame, "matrix")
    return list(dict.fromkeys(likeliest))


def choose_form(bundle: Bundle, runtime: str) -> Form:
    """Return the form in which a bundle's model reads rows in a runtime.

    Models of a search and of a library's own file read float32.
    """
    form: Form = bundle.configuration.get("rows", "floats") if runtime == NATIVE else "floats"
    return form


def make_pool(bundle: Bundle, form: Form, rows: RowTable) -> Any:
    """Return the rows that a bundle's model reads, in a form.

    Raises:
        RightfitError: If columns are missing, or are no numbers.
    """
    features = bundle.schema.features
    read = rows if rows.form == "matrix" else rows.select(features, of=bundle.model)
    try:
        return read.to(form, features)
    except (TypeError, ValueError) as err:
        raise RightfitError(f"{bundle.model} reads numbers: {one_line(err)}") from err


def try_rows(model: Any, facts: Facts, rows: RowTable) -> tuple[Form, Any]:
    """Answer some rows, and return the form in which they were and the answers.

    Raises:
        RightfitError: If they cannot be answered in any form.
    """
    call = make_call(model, facts.kind, facts.classes, n_threads=1, device="cpu")
    failures: list[Exception] = []
    for form in list_forms(rows, facts):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return form, call(rows.to(form, facts.features or ()))
        except Exception as err:  # models raise whatever they stumble over
            failures.append(err)
    first = failures[0]
    if _is_unfitted(model, first):
        raise RightfitError(
            f"{facts.name} is not fitted yet: call its fit(X, y) first, then measure it."
        ) from first
    raise RightfitError(
        f"{facts.name} cannot answer the rows ({type(first).__name__}: {one_line(first)}). Give it "
        "the columns and types that it was fitted on; the rows have "
        f"{list(rows.columns[:10])}."
    ) from first


def _is_unfitted(model: Any, err: Exception) -> bool:
    says_so = getattr(model, "is_fitted", None)  # CatBoost's
    return type(err).__name__.endswith("NotFittedError") or (callable(says_so) and not says_so())
