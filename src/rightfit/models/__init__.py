"""Model families, the bundles that store their models, and the runtimes that serve them.

The search trains families, and measuring, exporting and serving open bundles.
Begin with ``family``, the protocol, and ``linear``, its shortest example; then ``bundle`` and
``quality``, which scores predictions.
"""
