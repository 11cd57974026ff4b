from __future__ import annotations

import numpy as np
from factories.studies import fit_encoder, make_raw

from rightfit.data.request_path.awkward_requests import draw_requests
from rightfit_search.tables.description_parts import Features
from rightfit_search.tables.encoding import fit_encoder_steps


def test_requests_hold_gaps_unseen_categories_and_extremes() -> None:
    encoder = fit_encoder(make_raw()).to_json()
    size = next(step for step in encoder["steps"] if step["column"] == "size")

    columns = draw_requests(encoder)

    assert set(columns) == {"size", "n_parts", "day", "origin"}
    assert {len(values) for values in columns.values()} == {2_000}
    assert 60 < np.isnan(columns["size"]).sum() < 140
    spreads = np.abs(columns["size"] - size["mean"]) / size["scale"]
    assert np.nanmax(spreads[:-500]) < 10 < np.nanmax(spreads[-500:])
    assert {None, "", "never seen", "JFK"} <= set(columns["origin"])


def test_the_same_requests_are_drawn_again() -> None:
    encoder = fit_encoder(make_raw()).to_json()

    first, second, other = (draw_requests(encoder, seed=seed)["size"] for seed in (0, 0, 1))

    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other, equal_nan=True)


def test_texts_are_made_of_known_and_unknown_words() -> None:
    raw = make_raw().with_columns(note=make_raw()["origin"] + " is late")
    encoder = fit_encoder_steps(Features(text=("note",)), raw).to_json()

    texts = draw_requests(encoder)["note"]

    assert None in texts
    words = {word for text in texts if text for word in text.split()}
    assert {"late", "unheard"} <= words
