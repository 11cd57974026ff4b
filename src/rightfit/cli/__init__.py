"""The frame of the command line, and its verbs of the core: one module a verb.

``rightfit VERB`` and ``kedro rightfit VERB`` call it; a verb calls what ``import rightfit`` offers.
Begin with ``verb_group``, which finds the verbs of all packages, and ``measure``.
"""
