"""What ``import rightfit`` offers: search, measure, compare, rank, and the objects they return.

Programs and notebooks call it through the names of :mod:`rightfit`, the stages and commands of a
project call the same functions.
Begin with ``measure``, which is short, then ``search`` and ``rank``.
"""
