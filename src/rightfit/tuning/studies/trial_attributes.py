"""What a trial's record in the study holds: its user attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rightfit.tuning.judge.stopping_rules import Vote

CONFIGURATION = "configuration"  # all settings, fixed ones included
ASKED_BY = "asked_by"  # application that asked for it
UNTRAINED = "untrained"  # structure of the finished model, where it is known before any training
CURVE = "curve"  # what was measured at each checkpoint
SERVED = "served"  # what was measured of the finished model, see ``live_pool.dump_served``
GAINED = "gained"  # whose best trial so far it is: applications, or ["quality"]
STOP_CHECKPOINT = "stop_checkpoint"  # 0: before any training
VOTES = "votes"  # why each application let go of a stopped trial
AUDITED = "audited"  # a stop that was not carried out: its checkpoint and votes
JUDGED = "judged"  # seconds of judging and measuring


def dump_votes(votes: Mapping[str, Vote]) -> dict[str, dict[str, Any]]:
    """Turn votes by application into JSON."""
    return {name: asdict(vote) for name, vote in votes.items()}
