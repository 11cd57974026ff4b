"""Free text as weighed words: split, counted, weighed and scaled the same in Python and in ONNX.

What ONNX Runtime can do everywhere sets the rules: letters A to Z are lower-cased (its lower-casing
of other letters needs a locale that small containers lack), and a word is a run of letters, digits,
underscores and other characters that are no punctuation. The characters are listed, since two
versions of Unicode would disagree about "letter". Weights are TF-IDF, scaled to length 1.
"""

from __future__ import annotations

import re

WORD = "[0-9A-Za-z_{}-{}{}-{}{}-{}]+"
BORDERS = (0xC0, 0x1FFF, 0x2070, 0x2FFF, 0x3040, 0x10FFFF)  # between them: signs and punctuation
IN_PYTHON = re.compile(WORD.format(*map(chr, BORDERS)))
IN_ONNX = WORD.format(*(f"\\x{{{border:X}}}" for border in BORDERS))  # RE2's spelling
TO_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
LEAST_LENGTH = 1.0  # no weight is below 1, so only a text without known words has less: it stays 0


def split_words(text: str) -> list[str]:
    """Return the words of a text, in order.

    >>> split_words("Isn't it GREAT? Élan, 3½ & naïve_x")
    ['isn', 't', 'it', 'great', 'Élan', '3', 'naïve_x']
    """
    return IN_PYTHON.findall(text.translate(TO_LOWER))
