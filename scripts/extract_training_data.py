"""Take the good requests and answers out of production logs: `fine-tuner-cc extract` under the name of the workflow.

Run: python scripts/extract_training_data.py --logs DIR --output FILE --sample N
"""

import sys

from finetuner.cli import main

if __name__ == "__main__":
    sys.exit(main(["extract", *sys.argv[1:]]))
