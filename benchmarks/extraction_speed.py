"""How fast features are extracted: against the obvious way, over many clips, on Ray, through an hour of video.

.venv/bin/python benchmarks/extraction_speed.py clips          clips of 720p: tricue, the obvious script, one by one
.venv/bin/python benchmarks/extraction_speed.py linear         100, 1,000 and 10,000 utterances; memory at each
.venv/bin/python benchmarks/extraction_speed.py ray            two Ray workers against one, and the local engine
.venv/bin/python benchmarks/extraction_speed.py hour           peak memory on a video of one hour
.venv/bin/python benchmarks/extraction_speed.py whisper-form   a Whisper encoder at true length and in its 30 s form

What is timed runs in processes of its own; this one waits. Clips are made before, under runs/extraction.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from common import keep
from extraction.clips import clips
from extraction.hour import hour
from extraction.linear import linear
from extraction.processes import ALONE, answer_alone
from extraction.ray_workers import ray
from extraction.whisper_form import whisper_form


def main() -> None:
    if sys.argv[1:2] == [ALONE]:
        answer_alone(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)

    def part(run: Callable[[argparse.Namespace], dict[str, Any]], repeats: int) -> argparse.ArgumentParser:
        found = parts.add_parser(run.__name__.replace("_", "-"), help=run.__doc__)
        found.add_argument("--repeats", type=int, default=repeats, help="medians are kept")
        found.set_defaults(run=run)
        return found

    found = part(clips, 1)
    found.add_argument("--clips", type=int, default=200)
    found.add_argument("--obvious-clips", type=int, help="of the two scripts; by default all")
    found = part(linear, 1)
    found.add_argument("--sizes", default="100,1000,10000", help="ascending")
    found.add_argument("--encoder", default="light", help="light, or a folder of ../shared/models")
    found = part(ray, 1)
    found.add_argument("--clips", type=int, default=60)
    found.add_argument("--batch", type=int, default=4, help="clips that are mapped together")
    found = part(hour, 1)
    found.add_argument("--seconds", type=int, default=3600)
    found.add_argument("--height", type=int, default=180)
    found.add_argument("--fps", type=int, default=5)
    found = part(whisper_form, 3)
    found.add_argument("--clips", type=int, default=60)
    args = parser.parse_args()
    keep(f"extraction_speed_{args.part.replace('-', '_')}", args.run(args))


if __name__ == "__main__":
    main()
