from __future__ import annotations

import pytest

from rightfit_search.searching.pausing.priors import predict_rows_per_s


def test_rate_of_a_structure_follows_from_its_familys_counts() -> None:
    trees = {"n_trees": 100.0, "n_nodes": 6_000.0, "n_operations": 400.0, "n_parameters": 12_000.0}
    half = {name: count / 2 for name, count in trees.items()}

    whole = predict_rows_per_s("forest", trees)

    assert whole == pytest.approx(1 / (400 * 5.014e-9 + 12_000 * 8.576e-13 + 100 * 1.416e-9), 1e-3)
    assert predict_rows_per_s("lightgbm", half) == pytest.approx(2 * whole)


def test_an_unknown_family_is_rated_as_a_net_or_where_few_numbers_are_used_a_forest() -> None:
    products = {"n_operations": 52_000.0, "n_parameters": 52_000.0}
    paths = {"n_operations": 1_000.0, "n_parameters": 52_000.0}

    rates = {
        family: [predict_rows_per_s(family, counts) for counts in (products, paths)]
        for family in ("mine", "sklearn:sklearn.svm.SVC", "net", "forest")
    }

    assert rates["mine"] == [rates["net"][0], rates["forest"][1]]
    assert rates["sklearn:sklearn.svm.SVC"][0] == pytest.approx(1 / (52_000 * 7e-10))
    assert rates["sklearn:sklearn.svm.SVC"][1] == rates["forest"][1]
