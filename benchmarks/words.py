"""What more words of a text bring: ``features.max_words``.

Run from the repository's root: ``python benchmarks/words.py``. The texts come from R packages of
Debian: ``apt-get install r-base-core r-cran-{modeldata,dslabs,janeaustenr}``. None is a table of
``make bench-peers``. ``rf.search`` chooses by quality alone within 15 CPU seconds; a third of the
rows judges, which no search sees. Printed is the accuracy, and what is gained over the fewest
words, with the standard error over these rows.
"""

from __future__ import annotations

import math
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

import rightfit as rf

MAX_ROWS = 10_000
BUDGET_CPU_S = 15.0
NUMBERS = (500, 1_000, 2_000)
TEXTS = {  # R code that leaves a data frame of the columns ``text`` and ``label`` in ``d``
    "novels": """b <- as.data.frame(janeaustenr::austen_books()); b <- b[nchar(b$text) > 20, ]
        b <- b[1:(4 * (nrow(b) %/% 4)), ]; g <- rep(1:(nrow(b) / 4), each = 4)
        d <- data.frame(text = tapply(b$text, g, paste, collapse = " "),
                        label = tapply(as.character(b$book), g, function(x) x[1]))""",
    "tweets": """data(trump_tweets, package = "dslabs")
        d <- trump_tweets[trump_tweets$source %in% c("Twitter for Android", "Twitter for iPhone"), ]
        d <- data.frame(text = d$text, label = d$source)""",
    "titles": """data(tate_text, package = "modeldata"); m <- as.character(tate_text$medium)
        often <- names(sort(table(m), decreasing = TRUE))[1:8]
        d <- data.frame(text = tate_text$title, label = m)[m %in% often, ]""",
}


def read_texts() -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield name and shuffled rows of each table."""
    for name, made in TEXTS.items():
        with tempfile.TemporaryDirectory(prefix="rightfit-texts-") as folder:
            file = Path(folder) / "texts.csv"
            code = f'{made}\nwrite.csv(d, "{file}", row.names = FALSE)'
            subprocess.run(["Rscript", "-e", code], check=True)  # noqa: S603, S607
            frame = pl.read_csv(file, infer_schema_length=None).drop_nulls()
        yield name, frame.sample(min(MAX_ROWS, frame.height), shuffle=True, seed=0)


def main() -> None:
    """Print a line per table and number of words."""
    warnings.simplefilter("ignore")
    for name, frame in read_texts():
        n_train = 2 * frame.height // 3
        test = frame.tail(-n_train)
        answered: list[np.ndarray] = []
        for n_words in NUMBERS:
            best = rf.search(
                frame.head(n_train),
                "label",
                task="classification",
                quality="accuracy",
                dataset={"features": {"text": ["text"], "max_words": n_words}},
                budget_cpu_s=BUDGET_CPU_S,
                n_workers=1,
            ).best()
            answers = np.asarray(best.predict(test.drop("label"))).astype(str)
            answered.append(answers == test["label"].cast(pl.String).to_numpy())
            gains = answered[-1].astype(float) - answered[0]
            gained = f"{gains.mean():+.4f} ± {gains.std() / math.sqrt(len(gains)):.4f}"
            print(f"{name}, {n_words}: {answered[-1].mean():.4f}, {gained}, {best.candidate}")


if __name__ == "__main__":
    main()
