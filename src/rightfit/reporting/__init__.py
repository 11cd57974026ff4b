"""The page, charts and terminal lines that show a ranking.

``Ranking.report``, the reporting stage and ``rightfit which`` call it; it only reads results.
Begin with ``run_results``, all that a page can show, then ``html_report``.
"""
