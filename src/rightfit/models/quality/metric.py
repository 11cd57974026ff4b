"""A dataset's quality metric, and the same scaled to [0, 1]."""

from __future__ import annotations

import base64
import logging
import pickle
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, PrivateAttr, model_validator

from rightfit._core.errors import RightfitError
from rightfit._core.processes.codec import hash_json
from rightfit._core.strict_model import Number, OneSentence
from rightfit.models.quality.params import COST, NEGATED, QualityBlock, is_function
from rightfit.models.quality.scorers import Score, find_range, find_score, read_function_sources

logger = logging.getLogger(__name__)

Array = npt.NDArray[Any]

TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC (one against the rest)",
    "f1_macro": "macro F1",
    "neg_log_loss": "negative log loss",
    "neg_brier_score": "negative Brier score",
    COST: "negative mean cost",
    "neg_calibration_error": "negative calibration error",
    "neg_mean_absolute_error": "negative mean absolute error",
    "neg_root_mean_squared_error": "negative RMSE",
    "r2": "R²",
}


class QualityMetric(QualityBlock, metaclass=OneSentence):
    """A dataset's quality metric with the bounds that make it comparable across datasets.

    A raw value is higher for better answers, whatever the metric: losses count negative, as those
    of scikit-learn's ``neg_`` scorers do.

    Args:
        name: A scorer of scikit-learn, a loss of ``sklearn.metrics`` with or without ``neg_``, one
            of ``mae``, ``mse``, ``rmse``, ``mape`` and ``brier``, or the import path of a function;
            see :func:`rightfit.models.quality.scorers.find_score`.
        worst: Value that counts as quality 0. Above ``best``, both are losses, written positive.
        best: Value that counts as quality 1. The metric can reach both.
        options: Arguments of the function or loss by name, such as ``{"alpha": 0.9}``.
        threshold: Probability from which on the second of two classes is predicted; ``None`` for
            the class with the highest probability.
        costs: What each predicted class (column) costs where each class (row) is true. The class of
            the lowest expected cost is predicted, and the metric ``cost`` is the mean cost.
    """

    model_config = ConfigDict(title="quality")  # as its block is called

    name: str
    worst: Number
    best: Number
    _function: Score | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check_order(self) -> QualityMetric:
        if self.worst == self.best:
            raise ValueError(f"worst and best must differ, but both are {self.best}")
        is_loss = self.name.startswith(NEGATED) or is_function(self.name)
        if self.worst > self.best and not is_loss:
            raise ValueError(
                f"worst must be below best, since a higher {self.name} is better, but got "
                f"worst={self.worst}, best={self.best}"
            )
        lowest, highest = find_range(self.name)
        if not all(lowest <= bound <= highest for bound in self.raw_bounds):
            if self.name.startswith(NEGATED):
                values = "losses are 0 or more: write them so, the worst one above the best"
            else:
                values = f"its values lie between {lowest:g} and {highest:g}"
            raise ValueError(
                f"{self.name} cannot reach worst={self.worst} and best={self.best}; {values}"
            )
        return self

    @classmethod
    def of_function(cls, function: Score, *, name: str) -> QualityMetric:
        """Return the metric that a function computes, between 0 and 1; its name leads to none."""
        metric = cls(name=name, worst=0.0, best=1.0)
        metric._function = function
        return metric

    def dump_function(self) -> str | None:
        """Pickle the function for another process of this user, in base64.

        Code of the caller's script or notebook is written by value. ``None``: the name leads to it.

        Raises:
            RightfitError: If the function cannot be pickled.
        """
        if self._function is None:
            return None
        import cloudpickle

        try:
            return base64.b64encode(cloudpickle.dumps(self._function)).decode()
        except Exception as err:  # whatever the parts of a function raise
            raise RightfitError(
                f"quality: the function {self.name} cannot be sent to the processes that search: "
                f"{err}. Move it to a module, without open files, locks or connections."
            ) from err

    def load_function(self, text: str | None) -> Self:
        """Give the metric a function of :meth:`dump_function`, in a process of the same user."""
        if text is not None:
            self._function = pickle.loads(base64.b64decode(text))  # noqa: S301 - our own parent's
        return self

    def __getstate__(self) -> dict[Any, Any]:
        return super().__getstate__() | {"__pydantic_private__": self.dump_function()}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state | {"__pydantic_private__": {"_function": None}})
        self.load_function(state["__pydantic_private__"])

    @property
    def title(self) -> str:
        """Name of a raw value; losses count negative, and are called so.

        >>> QualityMetric(name="accuracy", worst=0.5, best=1.0).title
        'accuracy'
        >>> QualityMetric(name="sklearn.metrics.mean_pinball_loss", worst=40, best=0).title
        'negative mean pinball loss'
        """
        bare = self.name.removeprefix(NEGATED)
        spelt = bare.rpartition(".")[2].replace("_", " ")
        is_loss = bare != self.name or self.sign < 0
        title = TITLES.get(self.name) or (f"negative {spelt}" if is_loss else spelt)
        options = ", ".join(f"{name} {value}" for name, value in self.options.items())
        return f"{title} ({options})" if options else title

    @property
    def sign(self) -> int:
        """-1 where the bounds are those of a loss, written positive, else 1."""
        return -1 if self.worst > self.best else 1

    @property
    def raw_bounds(self) -> tuple[float, float]:
        """The raw values that count as quality 0 and as quality 1, the lower one first."""
        return self.sign * self.worst, self.sign * self.best

    @property
    def raw_parts(self) -> tuple[object, ...]:
        """Everything that raw values depend on, as JSON types: all but the size of the bounds."""
        costs: list[object] = [] if self.costs is None else [self.costs]
        if (function := self.dump_function()) is not None:
            is_importable = not self.name.startswith("__main__.")
            sources = read_function_sources(self.name) if is_importable else {}
            costs.append(hash_json([function, sources]))
        return self.name, sorted(self.options.items()), self.sign, self.threshold, *costs

    @property
    def cutoff(self) -> float | None:
        """Probability of the second of two classes from which on it is predicted, if not 1/2.

        With costs that from which on it costs less (Elkan, The Foundations of Cost-Sensitive
        Learning, IJCAI 2001).

        >>> QualityMetric(name="cost", worst=1, best=0, costs=[[0, 1], [4, 0]]).cutoff
        0.2
        """
        if self.costs is None or len(self.costs) != 2:
            return self.threshold
        (_, of_second), (of_first, _) = self.costs
        return of_second / (of_second + of_first)

    def score(self, labels: Array, answers: Array) -> float:
        """Return the raw value.

        Args:
            labels: True class positions, or values in regression, shape (n_rows,).
            answers: Class probabilities, shape (n_rows, n_classes), the predicted class being the
                first one with the highest; in regression values, shape (n_rows, 1).

        Raises:
            ValueError: If the metric cannot judge such answers.

        >>> import numpy as np
        >>> metric = QualityMetric(name="accuracy", worst=0.5, best=1.0)
        >>> metric.score(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
        0.5
        """
        if self.name == COST:
            return -float(self.find_costs(labels, answers).mean())
        judge = self._function or find_score(self.name, self.options)
        value = float(judge(labels, self.decide(answers)))
        if is_function(self.name):
            return self.sign * value
        lowest, highest = find_range(self.name)
        return min(max(value, lowest), highest)  # an average precision may exceed 1 by rounding

    def decide(self, answers: Array) -> Array:
        """Return answers whose highest probability is that of the predicted class."""
        if (cutoff := self.cutoff) is not None:
            return move_threshold(answers, cutoff)
        if self.costs is None:
            return answers
        costs = np.array(self.costs)
        saved = answers @ (costs.max(axis=1, keepdims=True) - costs)
        shares: Array = saved / saved.sum(axis=1, keepdims=True)
        return shares

    def find_costs(self, labels: Array, answers: Array) -> Array:
        """Return what each row's predicted class costs, shape (n_rows,)."""
        costs: Array = np.array(self.costs)[labels, self.decide(answers).argmax(axis=1)]
        return costs

    def scale(self, raw: float) -> float:
        """Scale a raw value linearly to [0, 1], clipped at both ends.

        >>> QualityMetric(name="accuracy", worst=0.5, best=1.0).scale(0.75)
        0.5
        >>> QualityMetric(name="neg_mean_absolute_error", worst=40, best=0).scale(-10)
        0.75
        """
        worst, best = self.raw_bounds
        return min(1.0, max(0.0, (raw - worst) / (best - worst)))

    def warn_where_flat(self, raws: Sequence[float], *, dataset: str) -> None:
        """Log that all candidates count alike, where they all lie beyond the same bound.

        >>> metric = QualityMetric(name="mae", worst=40, best=0)
        >>> metric.warn_where_flat([-10.0, -50.0], dataset="flights")
        """
        worst, best = self.raw_bounds
        is_lowest = all(raw <= worst for raw in raws)
        if raws and (is_lowest or all(raw > best for raw in raws)):
            logger.warning(
                "%s: every candidate has quality %d, so quality decides nothing: %s reaches %.4g "
                "to %.4g, and its bounds are worst=%g, best=%g. %s",
                dataset,
                not is_lowest,
                self.name,
                min(raws),
                max(raws),
                self.worst,
                self.best,
                "None is better than guessing, if that is the worst; else widen them."
                if is_lowest
                else "Widen them.",
            )

    def scale_error(self, raw_error: float) -> float:
        """Scale the standard error of a raw value."""
        return raw_error / abs(self.best - self.worst)


def move_threshold(probabilities: Array, threshold: float) -> Array:
    """Rescale probabilities of two classes so that the second is the likelier from a threshold on.

    Args:
        probabilities: Shape (n_rows, 2).
        threshold: Probability of the second class, above 0 and below 1.

    >>> import numpy as np
    >>> move_threshold(np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]]), 0.2).argmax(axis=1).tolist()
    [0, 1, 1]
    """
    second = probabilities[:, 1].astype(np.float64)
    above = 0.5 + (second - threshold) / (2 * (1 - threshold))
    is_second = second.astype(np.float32) >= np.float32(threshold)  # as an export compares them
    moved = np.where(is_second, np.maximum(above, np.nextafter(0.5, 1)), second / (2 * threshold))
    return np.stack([1 - moved, moved], axis=1)
