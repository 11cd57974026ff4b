"""Tables: read, described, checked, split and encoded; and the path that a request takes.

Called by the search, which trains on the encoded rows, and by whatever feeds a request to a model.
Begin with ``prepared``, which does all of it in order; ``request_path`` is what a request passes.
"""
