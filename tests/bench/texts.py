"""Text for generated data: made-up words, of which a few are frequent, as in a language."""

import itertools
import random

SEED = 20261124
WORD_COUNT = 20_000
WORDS_AT_ONCE = 10_000


def text_of(size, seed=SEED):
    """At least `size` characters of words separated by spaces."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("etaoinshrdlucmfwypvbgkjqxz", k=rng.randint(2, 11)))
             for _ in range(WORD_COUNT)]
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(WORD_COUNT)))
    parts, length = [], 0
    while length < size:
        parts.append(" ".join(rng.choices(words, cum_weights=weights, k=WORDS_AT_ONCE)))
        length += len(parts[-1]) + 1
    return " ".join(parts)
