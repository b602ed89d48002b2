"""Whether a change of the code leaves the numbers of the categorical path alone: two checkouts, the same three runs.

    demo      `tricue demo`
    meld      MELD text, configs/meld.yaml, MiniLM, 2 epochs of phase 1, dev as the test part
    ravdess   RAVDESS voice and face, configs/ravdess.yaml, fold 1 of 5 over the speakers

    .venv/bin/python benchmarks/same_numbers.py run runs/before --code /path/to/earlier/checkout
    .venv/bin/python benchmarks/same_numbers.py run runs/after
    .venv/bin/python benchmarks/same_numbers.py compare runs/before runs/after

`compare` renames the keys of the earlier files by RENAMED, leaves out what no result depends on (LEFT_OUT), and wants
every number that both have to be equal, value by value; keys that only the later files have are named, and keys that
they lack are a difference. Exit status 1: the numbers differ.
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

SHOWN = 40  # differences that are printed
HERE = Path(__file__).resolve().parent

# Earlier name of a key -> its name now, at any depth of metrics.json.
RENAMED: dict[str, str] = {"cues": "modalities", "without_any_cue": "without_any_modality"}
# What tells of the run, the code or the machine, and of no result.
LEFT_OUT = frozenset({"path", "weights_sha256", "trained_on", "versions", "seconds"})


def shared(name: str) -> str:
    return str(Path(os.environ.get("TRICUE_SHARED", HERE.parents[1] / "shared")) / name)


def commands(out: Path) -> dict[str, list[list[str]]]:
    """Name of a run -> its calls of `tricue`."""
    store = ["--store", str(out / "features")]
    text = ["--modalities", "text", "--set", f"features.text.encoder={shared('models/minilm-l6')}"]
    epochs = ["--set", "training.phase1_epochs=2", "--set", "training.phase2_epochs=0",
              "--set", "training.phase3_epochs=0"]  # fmt: skip
    units = Path(shared("data/ravdess")) / "face_action_units.npz"
    ravdess = [
        "--set", f"features.audio.encoder={shared('models/whisper-tiny-en')}",
        "--set", f"features.video.precomputed={units}",
    ]  # fmt: skip
    return {
        "demo": [["demo", "--out", str(out / "demo")]],
        "meld": [
            ["train", "--config", "meld", "--data_dir", shared("data/meld"), *text, *epochs, *store,
             "--set", "data.val_from_train=0.1", "--save_dir", str(out / "meld")],
            ["evaluate", "--model_path", str(out / "meld/best_model"), "--data_dir", shared("data/meld"), *store,
             "--split", "dev", "--out", str(out / "meld/scores")],
        ],
        "ravdess": [
            ["train", "--config", "ravdess", "--manifest", str(out / "ravdess.csv"), *ravdess, *store,
             "--protocol", "kfold-speaker", "--set", "data.fold='1'", "--set", "training.select=last",
             "--save_dir", str(out / "ravdess")],
            ["evaluate", "--model_path", str(out / "ravdess/best_model"), "--manifest", str(out / "ravdess.csv"),
             *store, "--out", str(out / "ravdess/scores")],
        ],
    }  # fmt: skip


FILES = {
    "demo": ["demo/metrics.json", "demo/ceiling.json", "demo/subsets", "demo/alone", "demo/predictions.csv"],
    "meld": ["meld/scores/metrics.json", "meld/scores/predictions.csv", "meld/history.json"],
    "ravdess": ["ravdess/scores/metrics.json", "ravdess/scores/predictions.csv", "ravdess/history.json"],
}


def run(out: Path, code: Path, names: Sequence[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rows = Path(shared("data/ravdess")) / "labels.csv"
    with rows.open(encoding="utf-8", newline="") as source, (out / "ravdess.csv").open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(["id", "audio", "emotion", "speaker"])
        for row in csv.DictReader(source):
            writer.writerow([row["id"], rows.parent / row["audio"], row["emotion"], row["speaker"]])
    environment = os.environ | {"PYTHONPATH": str(code.resolve() / "src"), "OMP_NUM_THREADS": "1"}
    for name in names:
        for call in commands(out.resolve())[name]:
            subprocess.run([sys.executable, "-m", "tricue.cli", *call], check=True, env=environment)
        for kept in FILES[name]:
            place = out / "kept" / kept
            place.parent.mkdir(parents=True, exist_ok=True)
            if (out / kept).is_file():
                shutil.copy(out / kept, place)
            else:
                for path in (out / kept).rglob("*.json"):
                    if path.name in ("metrics.json", "history.json") or kept.endswith("subsets"):
                        copy = out / "kept" / path.relative_to(out)
                        copy.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy(path, copy)


def compare(before: Path, after: Path) -> int:
    differences, new = 0, set()
    for path in sorted((before / "kept").rglob("*")):
        if not path.is_file():
            continue
        twin = after / "kept" / path.relative_to(before / "kept")
        found = list(_differences(_read(path), _read(twin), ""))
        for name, one, two in found:
            if one is _NOTHING:
                new.add(re.sub(r"\[\d+\]", "[]", name))
                continue
            differences += 1
            if differences > SHOWN:
                continue
            print(f"{path.relative_to(before / 'kept')}: {name}: {one!r} -> {'gone' if two is _NOTHING else repr(two)}")
        print(f"{path.relative_to(before / 'kept')}: {'the same' if not found else 'see above or below'}", flush=True)
    print(f"New keys: {', '.join(sorted(new)) or 'none'}")
    print(f"{differences} differences")
    return int(differences > 0)


_NOTHING = object()


def _read(path: Path) -> Any:
    if not path.is_file():
        return _NOTHING
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    return json.loads(path.read_text(encoding="utf-8"))


def _differences(one: Any, two: Any, name: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(two, dict):
        one = {RENAMED.get(key, key): value for key, value in one.items() if key not in LEFT_OUT}
        two = {key: value for key, value in two.items() if key not in LEFT_OUT}
        for key in dict.fromkeys((*one, *two)):
            yield from _differences(one.get(key, _NOTHING), two.get(key, _NOTHING), f"{name}.{key}".lstrip("."))
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for number, (a, b) in enumerate(zip(one, two, strict=True)):
            yield from _differences(a, b, f"{name}[{number}]")
    elif one is _NOTHING or two is _NOTHING or RENAMED.get(str(one), one) != two:
        yield name, one, two


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    runs = verbs.add_parser("run")
    runs.add_argument("out", type=Path)
    runs.add_argument("--code", type=Path, default=HERE.parent, help="the checkout to run; default: this one")
    runs.add_argument("--only", action="append", choices=list(FILES), default=None)
    pairs = verbs.add_parser("compare")
    pairs.add_argument("before", type=Path)
    pairs.add_argument("after", type=Path)
    args = parser.parse_args()
    if args.verb == "run":
        run(args.out, args.code, args.only or list(FILES))
    else:
        sys.exit(compare(args.before, args.after))


if __name__ == "__main__":
    main()
