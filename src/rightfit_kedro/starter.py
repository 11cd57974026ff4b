"""The project template, as ``kedro new --starter rightfit`` finds it."""

from __future__ import annotations

from importlib.resources import files

from kedro.framework.cli.starters import KedroStarterSpec

TEMPLATE = files("rightfit_kedro") / "template"
STARTERS = [KedroStarterSpec(alias="rightfit", template_path=str(TEMPLATE))]
