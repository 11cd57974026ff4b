"""What Rightfit adds to a Kedro project: its configuration, its catalog and how its pipelines run.

Kedro calls it, through the parts that a project names in its ``settings.py``::

    from rightfit_kedro.config_loader import CONFIG_LOADER_ARGS, ExplainingConfigLoader
    from rightfit_kedro.hooks import rightfit_hooks
    from rightfit_kedro.run import RightfitSession

    CONFIG_LOADER_CLASS = ExplainingConfigLoader
    SESSION_CLASS = RightfitSession
    HOOKS = rightfit_hooks()

A parameter ``grid`` makes the library's pipelines; everything here acts on their nodes alone.
Begin with ``configuration`` and ``run``; ``pipelines`` holds the stages, which call other rooms.
"""

from __future__ import annotations

import logging

# one tree of loggers: what is set for "rightfit" counts here, too
logging.getLogger(__name__).parent = logging.getLogger("rightfit")
