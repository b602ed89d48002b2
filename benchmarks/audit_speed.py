"""How long the leakage audit's searches take, on made-up data of the size that is asked for.

.venv/bin/python benchmarks/audit_speed.py fingerprints
.venv/bin/python benchmarks/audit_speed.py near-texts
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import keep

from tricue.data.fingerprints import same_recordings
from tricue.data.near_texts import near_duplicates, normalise


def fingerprints(rows: int) -> dict[str, Any]:
    """Clips of 3 s whose bits turn from frame to frame as often as in RAVDESS; every 100th has a copy.

    A copy begins up to 0.19 s later and has 8% of its bits wrong, in runs as long as those of the bits.
    """
    rng = np.random.default_rng(0)
    originals = rows - rows // 100
    clips = [_packed(_turning(rng, 350, 0.02)) for _ in range(originals)]
    for i in range(rows // 100):
        wrong = _turning(rng, 350, 0.01) & _turning(rng, 350, 0.03) & _turning(rng, 350, 0.03)
        wrong &= rng.random((350, 32)) < 0.64
        clips.append((clips[i] ^ _packed(wrong))[rng.integers(0, 24) :])
    started = time.monotonic()
    pairs = same_recordings(clips)
    copies = {(i, originals + i) for i in range(rows // 100)}
    found = {(i, j) for i, j, _ in pairs}
    return {
        "what": "same_recordings, clips of 3 s",
        "rows": rows,
        "seconds": round(time.monotonic() - started, 1),
        "copies": len(copies),
        "found": len(found & copies),
        "found_wrongly": len(found - copies),
    }


def _turning(rng: np.random.Generator, frames: int, share: float) -> np.ndarray:
    """(frames, 32) bool: bits that turn between two frames with probability `share`."""
    turns = rng.random((frames, 32), np.float32) < share
    turns[0] = rng.random(32) < 0.5
    return np.logical_xor.accumulate(turns, axis=0)


def _packed(bits: np.ndarray) -> np.ndarray:
    return np.packbits(bits, axis=1).view("<u4").reshape(-1)


def near_texts(rows: int) -> dict[str, Any]:
    """Sentences of 5 to 20 made-up words of Zipf's frequencies against as many; every 100th is a reworded one."""
    rng = np.random.default_rng(0)
    letters, odds = np.array(list("etaoinshrdlucmfwygpbvk")), 1 / np.arange(2, 24)
    lengths = rng.integers(2, 9, 20_000)
    vocabulary = ["".join(rng.choice(letters, n, p=odds / odds.sum())) for n in lengths]
    shares = 1 / np.arange(1, len(vocabulary) + 1)

    def sentences() -> list[list[str]]:
        sizes = rng.integers(5, 21, rows)
        drawn = rng.choice(len(vocabulary), sizes.sum(), p=shares / shares.sum())
        return [[vocabulary[k] for k in part] for part in np.split(drawn, np.cumsum(sizes)[:-1])]

    texts, others = sentences(), sentences()
    reworded = [i for i in range(0, rows, 100) if len(others[i]) >= 12]
    for i in reworded:
        texts[i] = [*others[i][:5], "oh", *others[i][5:]]
    left, right = [" ".join(words) for words in texts], [" ".join(words) for words in others]
    started = time.monotonic()
    found = {i for i, j, _ in near_duplicates(left, right) if i == j}
    middle = time.monotonic()
    for text in left:
        normalise(text)
    return {
        "what": "near_duplicates of two sets of sentences",
        "rows": rows,
        "seconds": round(middle - started, 1),
        "reworded": len(reworded),
        "found": len(found & set(reworded)),
        "microseconds_to_normalise": round((time.monotonic() - middle) / rows * 1e6, 1),
    }


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {"fingerprints": fingerprints, "near-texts": near_texts}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--rows", type=int, default=100_000)
    args = parser.parse_args()
    result = PARTS[args.part](args.rows)
    result["peak_gigabytes"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    keep(f"audit_speed_{args.part.replace('-', '_')}", result)


if __name__ == "__main__":
    main()
