"""Data cards made by hand."""

from __future__ import annotations

from typing import Any

from rightfit_search.tables.data_card import DataCard


def make_data_card(dataset: str = "landsat", **changes: Any) -> DataCard:
    """Return the card of a small dataset of two classes."""
    card: dict[str, Any] = {
        "dataset": dataset,
        "title": "Things by size",
        "task": "classification",
        "data_version": "v1",
        "input_schema": {"features": ["a", "b"], "classes": ["no", "yes"], "image_shape": None},
        "features": {
            "numeric": ["a", "b"],
            "n_encoded": 2,
            "derived": [{"op": "weekday", "name": "day", "column": "time"}],
        },
        "target": {"column": "is_large", "classes": ["no", "yes"]},
        "not_features": [],
        "quality": {"name": "accuracy", "worst": 0.5, "best": 1.0},
        "n_rows": {"train": 60, "validation": 0, "test": 0},
        "rows": {"read": 60, "dropped": [], "kept": 60, "unmatched": {}},
        "class_shares": {"train": {"no": 0.5, "yes": 0.5}},
        "split": {"method": "stratified", "share": 0.2},
        "validation": {"method": "stratified", "share": 0.2},
        "tables": {},
        "joins": [],
        "licence": "CC0",
        "source": "made by hand",
        "notes": ["Small."],
        "inferred": [],
        "remarks": [],
    }
    return DataCard.model_validate(card | changes)
