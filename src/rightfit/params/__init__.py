"""What a YAML block may say: the library's defaults, the blocks' models, and their faults.

``rf.search`` and ``rf.rank`` check their arguments with it, a project its parameters.
Begin with ``defaults``, which reads a package's ``default_values``, then ``evaluation``.
"""
