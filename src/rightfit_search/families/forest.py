"""Random forest grown tree by tree (scikit-learn, warm start), or extremely randomised trees."""

from __future__ import annotations

from rightfit.models.schema import Task
from rightfit.models.served_family import Configuration
from rightfit_search.families.ensembles import EnsembleFamily

_SPLITS = ("best", "random")


class ForestFamily(EnsembleFamily):
    """A forest whose splits are the best of some columns, or of one random threshold a column.

    The latter are those of Geurts, Ernst and Wehenkel (2006), *Extremely randomized trees*.
    """

    def check_configuration(self, configuration: Configuration) -> None:
        """See :class:`rightfit.Family`."""
        # splits may be left out: best
        super().check_configuration(
            {name: value for name, value in configuration.items() if name != "splits"}
        )

    def check_values(self, configuration: Configuration) -> None:
        """See :class:`rightfit.Family`."""
        if configuration.get("splits", "best") not in _SPLITS:
            raise ValueError(f"splits must be one of {_SPLITS}, not {configuration['splits']!r}")
        super().check_values(configuration)

    def find_estimator(self, task: Task, configuration: Configuration) -> str:
        """See :class:`rightfit_search.families.ensembles.EnsembleFamily`."""
        path = super().find_estimator(task, configuration)
        is_random = configuration.get("splits") == "random"
        return path.replace("RandomForest", "ExtraTrees") if is_random else path


FAMILY = ForestFamily(
    "sklearn.ensemble.RandomForestClassifier",
    settings=("n_estimators", "max_depth", "min_samples_leaf", "max_features"),
)
