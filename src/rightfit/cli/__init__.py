"""The command line: one module a verb, read by name and imported when it is used.

``rightfit VERB`` and ``kedro rightfit VERB`` call it; a verb calls what ``import rightfit`` offers.
Begin with ``verb_group``, which finds the verbs, and ``which``, a short one.
"""
