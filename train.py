"""`python train.py ...` is `tricue train ...`: the seed's command line, working from a checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from tricue.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
