from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, make_scorer, mean_absolute_error

from rightfit._core.errors import RightfitError
from rightfit.measuring.targets import plan_judging, read_targets
from rightfit.models.imported.objects import ModelDescription
from rightfit.models.imported.row_table import read_row_table


def say(task: str | None, *classes: str) -> ModelDescription:
    return ModelDescription("estimator", "Model", task, classes, None, None)  # type: ignore[arg-type]


UNKNOWN = say(None)
BINARY = say("classification", "no", "yes")
THREE = say("classification", "maybe", "no", "yes")


@pytest.mark.parametrize(
    ("own", "targets", "classes", "labels"),
    [
        ([BINARY], ["yes", "no"], ("no", "yes"), [1, 0]),
        ([say("classification", "yes", "no")], ["yes", "no"], ("yes", "no"), [0, 1]),
        ([BINARY, say("classification", "maybe", "no")], ["no"], ("maybe", "no", "yes"), [1]),
        ([say("classification", "0", "1")], ["yes", "no"], ("no", "yes"), [1, 0]),  # numbered
        ([say("classification", "0", "1")], [True, False], ("0", "1"), [1, 0]),
        ([say("classification", "0", "1")], [1.0, 0.0], ("0", "1"), [1, 0]),
        ([UNKNOWN], [10, 9, 10], ("9", "10"), [1, 0, 1]),
        ([UNKNOWN], [True, False], ("false", "true"), [1, 0]),
    ],
)
def test_classes_come_from_models_else_from_targets(
    own: list[ModelDescription], targets: list[object], classes: tuple[str, ...], labels: list[int]
) -> None:
    facts = {str(number): one for number, one in enumerate(own)}

    found = plan_judging(facts, np.array(targets), None)

    assert found.classes == classes
    assert found.labels is not None
    assert found.labels.tolist() == labels
    assert found.metric.name == "accuracy"


@pytest.mark.parametrize(
    ("n_yes", "quality", "n_warnings"),
    [(7, None, 1), (50, None, 0), (7, "accuracy", 0), (7, "roc_auc", 0), (0, None, 0)],
)
def test_accuracy_of_a_rare_class_is_warned_of_unless_it_was_asked_for(
    n_yes: int, quality: str | None, n_warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    targets = np.array(["yes"] * n_yes + ["no"] * (100 - n_yes))

    plan_judging({"model": BINARY}, targets, quality)

    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == n_warnings
    assert all("predicting 'no' reaches 0.930" in warning for warning in warnings)


def test_fractions_are_values_and_judged_by_r2() -> None:
    found = plan_judging({"f": UNKNOWN}, np.array([0.5, 1.0, 2.25]), None)

    assert (found.task, found.classes, found.metric.name) == ("regression", (), "r2")
    assert (found.metric.worst, found.metric.best) == (0.0, 1.0)


def test_without_targets_a_function_says_nothing() -> None:
    found = plan_judging({"f": UNKNOWN}, None, None)

    assert found.judged_classes is None
    assert found.labels is None


def test_guessing_is_worth_nothing() -> None:
    targets = np.array(["no", "no", "no", "yes"])

    assert plan_judging({"m": BINARY}, targets, None).metric.worst == 0.75
    loss = plan_judging(
        {"m": say("regression")}, np.array([1.0, 2.0, 3.0]), "neg_mean_squared_error"
    )
    assert (loss.metric.worst, loss.metric.best) == (-0.67, 0.0)


def test_scorer_and_function_judge_answers() -> None:
    targets = np.array(["no", "yes", "yes"])
    answers = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])

    def share_of_right(labels: np.ndarray, shares: np.ndarray) -> float:
        return float(shares[np.arange(len(labels)), labels].mean())

    for quality, expected in (
        (make_scorer(f1_score), 2 / 3),
        (share_of_right, 0.7),
        ("f1", 2 / 3),
        ({"name": share_of_right, "worst": 0, "best": 1}, 0.7),
        ({"costs": [[0, 1], [5, 0]]}, -0 / 3),  # from 1 / 6 on it says yes
        ({"costs": [[0, 5], [1, 0]]}, -2 / 3),  # from 5 / 6 on
    ):
        found = plan_judging({"m": BINARY}, targets, quality)
        assert found.labels is not None
        assert found.metric.score(found.labels, answers) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("facts", "targets", "quality", "message"),
    [
        ([BINARY, say("regression")], ["no"], None, "1 predicts numbers|predicts classes"),
        ([BINARY], ["NO"], None, r"The targets hold \['NO'\], which no model predicts"),
        ([say("regression")], ["a"], None, "predict numbers, but the targets do not"),
        ([BINARY], ["no", "yes"], "r2", "r2 is one of regression"),
        ([BINARY], ["no", "yes"], "my_study.cost", "There is no module 'my_study' to hold"),
        ([BINARY], ["no", "yes"], {"name": "f1", "worst": 1}, "one with both of its bounds"),
        ([BINARY], ["no", "yes"], {"nmae": "f1"}, "one with both of its bounds"),
        ([BINARY], ["no", "yes"], {"costs": [[0, 1], [5]]}, "a row and a column for each class"),
        ([BINARY], ["no"], {"costs": [[0, 1], [5, 0]]}, "for 2 classes, but there are 1"),
        ([THREE], ["no", "yes"], {"costs": [[0, 1], [5, 0]]}, "for 2 classes, but there are 3"),
        ([BINARY], ["no", "yes"], lambda labels, answers: 40.0, "gives 40 for guessing"),
        ([BINARY], None, "accuracy", "needs targets"),
        ([say("regression")], [1, 2], {"name": "mae", "worst": 0, "best": 2}, "losses are 0 or"),
    ],
)
def test_what_does_not_fit_is_refused(
    facts: list[ModelDescription], targets: list[object] | None, quality: object, message: str
) -> None:
    given = {str(number): one for number, one in enumerate(facts)}

    with pytest.raises(RightfitError, match=message):
        plan_judging(given, None if targets is None else np.array(targets), quality)  # type: ignore[arg-type]


def test_targets_may_be_a_column_of_the_rows() -> None:
    rows = read_row_table(pd.DataFrame({"a": [1, 2], "price": [3.5, 4.5]}))

    targets, others = read_targets("price", rows)

    assert targets.tolist() == [3.5, 4.5]
    assert others.columns == ("a",)


def test_texts_that_a_search_takes_for_numbers_are_targets() -> None:
    facts = {"m": say("regression")}

    labels = plan_judging(facts, np.array(["1.234,5", "7,5"], dtype=object), None).labels

    assert labels is not None
    assert labels.tolist() == [1234.5, 7.5]
    with pytest.raises(RightfitError, match=r"^1 of 2 targets are missing"):
        plan_judging(facts, np.array(["1.234,5", "k.A."]), None)


@pytest.mark.parametrize(
    ("classes", "targets", "n_warnings"),
    [
        (("0", "1"), ["yes", "no"], 1),
        (("0", "1"), [1, 0], 0),
        (("0", "1"), [True, False], 0),
        (("no", "yes"), ["yes", "no"], 0),
    ],
)
def test_order_in_which_numbered_classes_are_named_is_warned_of(
    classes: tuple[str, ...],
    targets: list[object],
    n_warnings: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    plan_judging({"a": say("classification", *classes)}, np.array(targets), None)

    warnings = [message for message in caplog.messages if "0, 1 are taken" in message]
    assert len(warnings) == n_warnings
    assert all("'no', 'yes'" in message for message in warnings)


def test_bounds_may_be_given() -> None:
    targets = np.array([1.0, 2.0, 4.0])
    loss = {"name": "mae", "worst": 40, "best": 0}

    metric = plan_judging({"m": say("regression")}, targets, loss).metric

    assert metric.scale(-10) == 0.75


def test_gap_of_pandas_texts_is_a_missing_target() -> None:
    rows = read_row_table(np.zeros((2, 1)))

    with pytest.raises(RightfitError, match="1 of 2 targets are missing"):
        read_targets(pd.Series(["yes", None], dtype="string"), rows)


def test_metric_that_cannot_judge_guessing_says_so_once() -> None:
    with pytest.raises(RightfitError, match=r"^quality: what guessing.*make_scorer\(f1_score\)"):
        plan_judging({"a": BINARY}, np.array(["no", "yes"]), f1_score)


@pytest.mark.parametrize(
    ("classes", "pos_label"), [(("no", "yes"), "no"), (("1", "2"), 1), (("false", "true"), False)]
)
def test_scorer_names_classes_as_the_targets_do(
    classes: tuple[str, ...], pos_label: object
) -> None:
    facts = {"a": say("classification", *classes)}
    targets = np.array([classes[0], classes[0], classes[0], classes[1]])
    judging = plan_judging(facts, targets, make_scorer(f1_score, pos_label=pos_label))
    assert judging.labels is not None

    value = judging.metric.score(judging.labels, np.eye(2)[[0, 0, 1, 1]])

    assert judging.metric.title == "f1 score"
    assert value == pytest.approx(4 / 5)  # of the first class; of the second it is 2 / 3
    with pytest.raises(RightfitError, match="'maybe' is no class; they are"):
        plan_judging(facts, targets, make_scorer(f1_score, pos_label="maybe"))


@pytest.mark.parametrize("bounds", [{"worst": 2, "best": 0}, {"worst": -2, "best": 0}, {}])
def test_scorer_of_a_loss_is_better_where_it_is_smaller(bounds: dict[str, float]) -> None:
    scorer = make_scorer(mean_absolute_error, greater_is_better=False)
    targets = np.array([1.0, 2.0, 4.0])

    metric = plan_judging(
        {"a": say("regression")}, targets, {"name": scorer, **bounds} if bounds else scorer
    ).metric

    assert metric.title == "negative mean absolute error"
    assert metric.score(targets, targets[:, None] + 0.5) == -0.5
    assert metric.scale(-0.5) > metric.scale(-0.75)
