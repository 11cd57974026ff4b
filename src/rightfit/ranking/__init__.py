"""Which candidate each application should serve, how sure that is, and why.

``rf.rank``, the ranking stage and the pausing rule call it, with a table of profiles.
Begin with ``applications``, what is asked, and ``application_ranking``, which answers it;
``explanation`` holds the decisions, ``records`` what is kept about winners afterwards.
"""
