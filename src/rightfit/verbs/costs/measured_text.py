"""What measuring a file has found, in words and as JSON."""

from __future__ import annotations

from dataclasses import asdict

from rightfit.formatting import count
from rightfit.serving.answer_text import describe_disturbance, profile_to_json
from rightfit.serving.profile_text import describe_profile
from rightfit.verbs.costs.measuring import MeasuredFile


def describe_measured(measured: MeasuredFile) -> list[str]:
    """Write a measured file as lines for the terminal."""
    profile, here = measured.profile, measured.environment
    declared = [
        f"  inputs    {'; '.join(map(str, measured.inputs))}",
        f"  outputs   {'; '.join(map(str, measured.outputs))}",
    ]
    return [
        f"{measured.path.name}, {profile.serving.label}",
        *(declared if measured.inputs else []),
        f"  rows      {measured.n_rows:,} of {measured.rows}",
        f"  machine   {here.cpu}, {count(here.n_cores, 'core')}",
        f"  measured  {describe_disturbance(profile)}; preset {measured.preset}",
        "",
        *describe_profile(profile),
    ]


def measured_to_json(measured: MeasuredFile) -> dict[str, object]:
    """Return a measured file as plain JSON types."""
    return {
        "file": str(measured.path),
        "sha256": measured.sha256,
        "inputs": [asdict(tensor) for tensor in measured.inputs],
        "outputs": [asdict(tensor) for tensor in measured.outputs],
        "rows": measured.rows,
        "n_rows": measured.n_rows,
        "environment": asdict(measured.environment),
        "profile": profile_to_json(measured.profile),
    }
