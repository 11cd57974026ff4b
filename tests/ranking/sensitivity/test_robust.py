from __future__ import annotations

from factories.rankings import make_application, make_profile, rank

from rightfit.ranking.explanation.rankings import tabulate_rankings
from rightfit.ranking.sensitivity.robust import tabulate_robust_choices

QUALITY = {
    ("x", "net-1"): 0.9,
    ("x", "net-2"): 0.8,
    ("x", "forest-1"): 0.7,
    ("x", "linear-1"): 0.3,
    ("y", "net-1"): 0.2,
    ("y", "forest-1"): 0.8,
    ("y", "linear-1"): 0.9,
}


def test_robust_choice_is_the_family_whose_worst_rank_is_best() -> None:
    ranked = rank(
        *(
            make_profile(name, dataset=dataset, quality=quality, latency_p50_ms=1)
            for (dataset, name), quality in QUALITY.items()
        )
    )

    table = tabulate_robust_choices(tabulate_rankings([ranked]))

    assert table.select("model", "n_feasible", "mean_rank", "worst_rank").rows() == [
        ("forest", 2, 2.0, 2),
        ("linear", 2, 2.0, 3),
        ("net", 2, 2.0, 3),
    ]
    assert table["is_robust_choice"].to_list() == [True, False, False]
    assert table["won"].to_list() == [[], ["y"], ["x"]]


def test_robust_choice_qualifies_on_the_most_datasets() -> None:
    ranked = rank(
        *(
            make_profile(name, dataset=dataset, quality=quality, latency_p50_ms=1)
            for (dataset, name), quality in QUALITY.items()
        ),
        application=make_application(constraints={"quality": {"min": 0.85}}),
    )

    table = tabulate_robust_choices(tabulate_rankings([ranked]))

    assert table.select("model", "n_feasible", "worst_rank").rows() == [
        ("linear", 1, 3),
        ("net", 1, 3),
        ("forest", 0, 2),
    ]


def test_without_a_feasible_family_there_is_no_robust_choice() -> None:
    ranked = rank(
        make_profile("net-1", quality=0.5, latency_p50_ms=1),
        application=make_application(constraints={"quality": {"min": 0.75}}),
    )

    table = tabulate_robust_choices(tabulate_rankings([ranked]))

    assert table["is_robust_choice"].to_list() == [False]
    assert table["won"].to_list() == [[]]
