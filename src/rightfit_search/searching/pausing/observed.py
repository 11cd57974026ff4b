"""What a search has seen of its trials: the only thing that decides what goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Structure = Mapping[str, float]


@dataclass(frozen=True)
class Seen:
    """A trial at a checkpoint.

    Args:
        checkpoint: 0 before any training, then 1 to the last.
        quality: Scaled validation quality in [0, 1]; ``None`` before training.
        structure: Counts of the finished model as projected from here; ``None`` while unknown.
        fit: Fit metrics by column, projected to the end of the training.
        quality_error: Standard error of the quality, because it was validated on few rows; 0
            where it counts as the truth.
        spent_s: CPU seconds of training and validating up to here.
    """

    checkpoint: int
    quality: float | None
    structure: Structure | None
    fit: Mapping[str, float | None] = field(default_factory=dict)
    quality_error: float = 0.0
    spent_s: float = 0.0


@dataclass(frozen=True)
class ObservedTrial:
    """A trial as far as it went.

    Args:
        number: Its number.
        looks: What was seen at each checkpoint, from before the training to the latest.
        is_free: Whether it may go on now: neither over nor in another worker's hands.
    """

    number: int
    looks: tuple[Seen, ...]
    is_free: bool = True

    @property
    def last(self) -> Seen:
        """The latest look."""
        return self.looks[-1]

    @property
    def qualities(self) -> list[float]:
        """Qualities at checkpoints 1, 2 and so on."""
        return [look.quality for look in self.looks if look.quality is not None]


@dataclass(frozen=True)
class Pool:
    """All trials of a search.

    Args:
        trials: In the order of their numbers.
        n_checkpoints: Looks of a whole training.
    """

    trials: Sequence[ObservedTrial]
    n_checkpoints: int

    def is_trained(self, trial: ObservedTrial) -> bool:
        """Tell whether a trial was trained to the end."""
        return len(trial.qualities) == self.n_checkpoints
