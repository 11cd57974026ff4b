"""Settings: the hyper-parameters that a candidate was trained with, and which were searched."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rightfit.formatting import format_number
from rightfit.naming import TIMES

SETTINGS = "settings"  # column of profiles and rankings: this model as JSON, null: not known


class Settings(BaseModel):
    """Hyper-parameters of a candidate: those that its search varied, and those it left alone.

    >>> str(Settings(searched={"alpha": 1.25e-05}, fixed={"penalty": "l2"}))
    'alpha 0.0000125; not searched: penalty l2'
    """

    model_config = ConfigDict(frozen=True)

    searched: dict[str, Any] = Field(default_factory=dict)
    fixed: dict[str, Any] = Field(default_factory=dict)

    def __str__(self) -> str:
        searched, fixed = write_values(self.searched), write_values(self.fixed)
        if not searched:
            return fixed
        return f"{searched}; not searched: {fixed}" if fixed else searched

    def write_yaml(self) -> str:
        """Return all settings as YAML, exactly."""
        import yaml

        text: str = yaml.safe_dump({**self.searched, **self.fixed}, sort_keys=False)
        return text


def write_values(values: dict[str, Any]) -> str:
    """Write settings in one line, numbers rounded."""
    return ", ".join(f"{name} {write_value(value)}" for name, value in values.items())


def write_value(value: object) -> str:
    """Write a setting as people read it; whole numbers in full.

    >>> [write_value(one) for one in (100, 0.004837850, True, None, "l2")]
    ['100', '0.00484', 'true', 'none', 'l2']
    """
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f" {TIMES} ".join(map(write_value, value))
    return format_number(value) if isinstance(value, float) else str(value)
