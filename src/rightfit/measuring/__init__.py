"""What serving costs: fresh processes, rounds of timings, intervals, and profiles of them.

``rf.measure``, ``rf.compare`` and the evaluation stage call it, with bundles or a user's models.
Begin with ``metrics``, the table of what is measured; ``rounds`` drives the processes of
``worker``, ``profiles`` makes their figures into a ``profile``.
"""
