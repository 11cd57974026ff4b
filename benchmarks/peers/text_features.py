"""What pairs of words, or more words, would bring to a table of texts: cross-validated.

Run from the repository's root, with rows that ``make bench-peers`` has written: ``python
benchmarks/peers/text_features.py data/peers/rows/reviews review``. A logistic regression on
scikit-learn's TF-IDF, five folds of the train rows; printed is the mean accuracy and the standard
error over the folds.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

N_FOLDS = 5
MIN_TEXTS = 3  # in which a word occurs


def main() -> None:
    """Print a line for each number and length of terms."""
    folder, column = Path(sys.argv[1]), sys.argv[2]
    target = json.loads((folder / "table.json").read_text(encoding="utf-8"))["target"]
    train = pl.read_parquet(folder / "train.parquet")
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    for n_terms in (500, 1_000, 2_000):
        for longest in (1, 2):
            model = make_pipeline(
                TfidfVectorizer(max_features=n_terms, ngram_range=(1, longest), min_df=MIN_TEXTS),
                LogisticRegression(max_iter=300),
            )
            found = cross_val_score(
                model, train[column].to_list(), train[target].to_list(), cv=folds
            )
            error = found.std(ddof=1) / math.sqrt(N_FOLDS)
            print(f"{n_terms} terms of up to {longest} words: {found.mean():.4f} ± {error:.4f}")


if __name__ == "__main__":
    main()
