"""From a folder of logs to a tuned model, a verdict, a rollout decision and a model card, offline.

Run with `scripts/quickstart`, `fine-tuner-cc demo`, or `python examples/quickstart.py [FOLDER] [--data FILE]`.
Everything is written into FOLDER. The steps, one function each, are in `finetuner/demo/workflow.py`.
"""

import argparse
import sys
from pathlib import Path

import finetuner as ft
from finetuner.demo.workflow import run


def main() -> int:
    """Run the workflow; 0 when the tuned model is better with an interval that excludes zero."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("quickstart-output"))
    parser.add_argument("--data", help="labeled requests of your own, instead of the demonstration's logs")
    words = parser.parse_args()
    data = None if words.data is None else ft.Dataset.load(words.data)
    outcome = run(words.folder, data, say=print)
    return 0 if outcome.better else 1


if __name__ == "__main__":
    sys.exit(main())
