from __future__ import annotations

from collections.abc import Callable

from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.in_use import build_replacements


def test_imported_models_stand_beside_the_winners(make_results: Callable[..., Results]) -> None:
    results = make_results(imported=("linear",))
    (section,) = build_replacements(results)

    n_linear = results.rankings.filter(model="linear").height
    table, *changes = section.tables
    assert len(table.rows) == n_linear
    first = results.recommendations["satellite_archive"].datasets["landsat"].replacements[0]
    assert table.rows[0][:3] == ("satellite_archive", "landsat", first.incumbent.label)
    assert changes
    assert all("imported, to" in change.caption for change in changes)


def test_no_section_without_imported_models(results: Results) -> None:
    assert build_replacements(results) == []
