"""`make bench`: each figure beside what the machine can do at best, in the same run."""

from __future__ import annotations

import sys

from benchmarks.cold_start import cold_start
from benchmarks.figures import heading
from benchmarks.gateway import gateway
from benchmarks.inside import inside
from benchmarks.over_http import serve_feedback, serve_ingest
from benchmarks.sdk import sdk

ALL = {
    "inside": inside,
    "cold_start": cold_start,
    "serve_ingest": serve_ingest,
    "serve_feedback": serve_feedback,
    "gateway": gateway,
    "sdk": sdk,
}


def main(chosen: list[str]) -> None:
    """Run those that are named, or all of them, and print a line for each figure."""
    unknown = [name for name in chosen if name not in ALL]
    if unknown:
        raise SystemExit(f"There is no benchmark {unknown[0]}. There are: {', '.join(ALL)}.")
    heading()
    for name in chosen or ALL:
        ALL[name]()
    heading()


if __name__ == "__main__":
    main(sys.argv[1:])
