"""The search: proposes settings, trains them through checkpoints, stops what cannot win.

``rf.search`` and the training stage call it, one plan for each dataset and family.
Begin with ``search`` and ``search_scheduler``; ``pausing`` is the rule that stops, ``studies`` what
is stored, ``parallel`` how many processes share a search.
"""
