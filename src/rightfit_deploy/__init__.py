"""Operation: a server for an exported folder, load over HTTP, sizes, and measuring elsewhere.

Commands call it, and the stage that registers it; nothing else imports it, so it could be a
distribution of its own.
Begin with ``server``, then ``http_load`` and ``remote``.
"""

from __future__ import annotations

import logging

# one tree of loggers: what is set for "rightfit" counts here, too
logging.getLogger(__name__).parent = logging.getLogger("rightfit")
