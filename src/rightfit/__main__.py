"""The command ``rightfit``: a verb (``which``, ``export``, …), else the options of ``run``.

``python -m rightfit --pipelines perf`` runs the packaged project as ``kedro run`` does.
"""

from __future__ import annotations

import sys
from typing import Any

from rightfit.cli.verb_group import verbs


def main(*args: Any, **kwargs: Any) -> Any:
    """Run a verb, or a pipeline of the installed package; without a word, show the help."""
    arguments = list(args[0] if args else kwargs.pop("args", None) or sys.argv[1:])
    if not arguments:
        arguments = ["--help"]  # nobody starts a run of minutes by a word
    if arguments not in (["--help"], ["--version"]) and arguments[0].startswith("-"):
        arguments = ["run", *arguments]
    kwargs["standalone_mode"] = not hasattr(sys, "ps1")
    return verbs(arguments, *args[1:], **kwargs)


if __name__ == "__main__":
    main()
