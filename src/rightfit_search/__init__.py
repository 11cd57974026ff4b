"""Search models of any family on a table: tables, families, searching, stopping."""

from __future__ import annotations

import logging

# one tree of loggers: what is set for "rightfit" counts here, too
logging.getLogger(__name__).parent = logging.getLogger("rightfit")
