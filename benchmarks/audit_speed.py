"""How long the leakage audit takes, on made-up data of the size that is asked for.

.venv/bin/python benchmarks/audit_speed.py rows            1,000,000 rows, the checks that read no media
.venv/bin/python benchmarks/audit_speed.py fingerprints    100,000 clips
.venv/bin/python benchmarks/audit_speed.py near-texts      100,000 sentences against as many
.venv/bin/python benchmarks/audit_speed.py probe           the noise probe on rows and classes like MELD's
"""

import argparse
import csv
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import keep

from tricue.audit.audit import audit_corpus
from tricue.audit.fingerprints import same_recordings
from tricue.audit.near_texts import near_duplicates, normalise
from tricue.audit.noise_probe import noise_probe
from tricue.config.settings import Config
from tricue.corpora.catalogue import read_corpus

EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
MELD_SHARES = (0.111, 0.027, 0.027, 0.174, 0.472, 0.068, 0.121)  # of its training rows


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


def rows(count: int) -> dict[str, Any]:
    """A manifest of sentences, speakers and dialogues, from the file to the verdict."""
    draw = random.Random(0)
    vocabulary = [f"word{i}" for i in range(20_000)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text", "emotion", "speaker", "dialogue", "turn", "split"])
            for i in range(count):
                split = "train" if i < 0.8 * count else "val" if i < 0.9 * count else "test"
                text = " ".join(draw.choices(vocabulary, k=draw.randint(1, 14)))
                emotion = draw.choice(EMOTIONS)
                writer.writerow([f"u{i}", text, emotion, f"{split}{i % 5000}", f"{split}{i // 10}", i % 10, split])
        started = time.monotonic()
        config = Config()
        found = audit_corpus(read_corpus(config, manifest=path), config, fast=True, progress=False)
    return {
        "what": "audit of a manifest, the checks that read no media",
        "rows": count,
        "seconds": round(time.monotonic() - started, 1),
        "verdicts": {check.name: check.verdict for check in found.checks},
    }


def probe(count: int) -> dict[str, Any]:
    """Items, speakers and dialogues, nine tenths of the rows in train."""
    rng = np.random.default_rng(0)
    labels = rng.choice(7, count, p=MELD_SHARES)
    in_train = np.arange(count) < 0.9 * count
    started = time.monotonic()
    for tied in (np.arange(count), rng.integers(0, 300, count), np.arange(count) // 10):
        noise_probe(tied, labels, in_train, 0)
    return {
        "what": "noise probe, three kinds, two models each, 20 draws and 200 shuffles",
        "rows": count,
        "seconds": round(time.monotonic() - started, 1),
    }


PARTS: dict[str, tuple[Callable[[int], dict[str, Any]], int]] = {
    "rows": (rows, 1_000_000),
    "fingerprints": (fingerprints, 100_000),
    "near-texts": (near_texts, 100_000),
    "probe": (probe, 11_098),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--rows", type=int)
    args = parser.parse_args()
    part, usual = PARTS[args.part]
    result = part(args.rows or usual)
    result["peak_gigabytes"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    keep(f"audit_speed_{args.part.replace('-', '_')}", result)


if __name__ == "__main__":
    main()
