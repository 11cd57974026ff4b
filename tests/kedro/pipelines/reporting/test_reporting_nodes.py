from __future__ import annotations

import polars as pl
from factories.rankings import make_application, make_profile, make_profiles, make_rules

from rightfit.api.profiles import Profiles
from rightfit.api.rank import Ranking
from rightfit.api.stored_qualities import SCHEMA
from rightfit.measuring.serving import Serving
from rightfit.params.applications import ApplicationsParams
from rightfit.ranking.assessment.profile_table import ProfileKey
from rightfit.ranking.explanation.decisions import write_recommendations
from rightfit.ranking.explanation.rankings import tabulate_rankings
from rightfit_kedro.pipelines.reporting.nodes import rank_again

NO_JUDGED = pl.DataFrame(schema=SCHEMA)


def test_ranking_once_more_gives_the_stored_order_of_what_was_ranked() -> None:
    profiles = make_profiles(
        make_profile("net-1", quality=0.9),
        make_profile("net-2", quality=0.896),
        make_profile("forest-1", quality=0.7),
    )
    quality = make_application(objectives={"quality": {"weight": 1, "worst": 0, "best": 1}})
    asked, rules = ApplicationsParams({"control": quality}), make_rules()
    earlier = {"control": {"landsat": ProfileKey("net", "net-2", Serving("onnx", 1))}}
    stored = Ranking(Profiles(profiles), asked, rules, earlier=earlier, judged=NO_JUDGED)

    ranked = rank_again(
        profiles,
        NO_JUDGED,
        write_recommendations(stored.recommendations),
        ApplicationsParams({"control": quality, "new": quality}),
        rules,
    )

    assert stored.table["candidate"].to_list() == ["net-2", "net-1", "forest-1"]
    assert tabulate_rankings(ranked).equals(stored.table)
