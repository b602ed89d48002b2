"""`python predict.py ...` is `tricue predict ...`: the seed's command line, working from a checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from tricue.cli import main

if __name__ == "__main__":
    main(["predict", *sys.argv[1:]])
