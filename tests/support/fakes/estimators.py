"""Estimators that tests name by import path."""

from __future__ import annotations

from sklearn.calibration import CalibratedClassifierCV


def make_calibrated() -> CalibratedClassifierCV:
    return CalibratedClassifierCV(ensemble=False)
