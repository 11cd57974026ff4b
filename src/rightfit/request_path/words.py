"""Free text as weighed words: split, counted, weighed and scaled the same in Python and in ONNX.

What ONNX Runtime can do everywhere sets the rules: letters A to Z are lower-cased (its lower-casing
of other letters needs a locale that small containers lack), and a word is a run of letters, digits,
underscores and other characters that are no punctuation. The characters are listed, since two
versions of Unicode would disagree about "letter". Weights are TF-IDF, scaled to length 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

WORD = "[0-9A-Za-z_{}-{}{}-{}{}-{}]+"
BORDERS = (0xC0, 0x1FFF, 0x2070, 0x2FFF, 0x3040, 0x10FFFF)  # between them: signs and punctuation
IN_PYTHON = re.compile(WORD.format(*map(chr, BORDERS)))
IN_ONNX = WORD.format(*(f"\\x{{{border:X}}}" for border in BORDERS))  # RE2's spelling
TO_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
LEAST_LENGTH = 1.0  # no weight is below 1, so only a text without known words has less: it stays 0

Floats = npt.NDArray[np.float32]


def split_words(text: str) -> list[str]:
    """Return the words of a text, in order.

    >>> split_words("Isn't it GREAT? Élan, 3½ & naïve_x")
    ['isn', 't', 'it', 'great', 'Élan', '3', 'naïve_x']
    """
    return IN_PYTHON.findall(text.translate(TO_LOWER))


def weigh_words(texts: Sequence[str], words: Sequence[str], weights: Sequence[float]) -> Floats:
    """Weigh the known words of texts.

    Returns:
        Count times weight, each row scaled to length 1 or all 0; shape (n_rows, n_words).

    >>> weigh_words(["a b b", ""], ["b", "c"], [2.0, 1.0]).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    places = {word: place for place, word in enumerate(words)}
    return scale_counts(count_words(texts, places), np.array(weights, dtype=np.float32))


def count_words(texts: Sequence[str], places: Mapping[str, int]) -> Floats:
    """Count the known words of texts, shape (n_rows, n_words)."""
    counts = np.zeros((len(texts), len(places)), dtype=np.float32)
    for row, text in zip(counts, texts, strict=True):
        for word in split_words(text):
            if (place := places.get(word)) is not None:
                row[place] += 1
    return counts


def scale_counts(counts: Floats, weights: Floats) -> Floats:
    """Multiply by the weights and scale each row to length 1."""
    weighed = (counts * weights).astype(np.float64)
    length = np.sqrt(np.square(weighed).sum(axis=1, keepdims=True))
    scaled: Floats = (weighed / np.maximum(length, LEAST_LENGTH)).astype(np.float32)
    return scaled
