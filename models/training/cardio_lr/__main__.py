"""Command line: `train` writes payload, report, card and pictures; `fixtures` writes the test records.

Exit codes: 0 done, 2 usage, 3 a problem with the data.
"""

import os

# Before numpy: sums in another order are other bytes, and threads change the order.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import argparse  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from .errors import DataProblem, UsageProblem  # noqa: E402
from .progress import Progress  # noqa: E402


def main(arguments=None):
    """Runs one command and returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options, Progress(quiet=options.quiet))
    except (UsageProblem, DataProblem) as problem:
        print(f"cardio_lr: {problem}", file=sys.stderr)
        return problem.exit_code
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m cardio_lr", description="Train and export the model cardio-lr.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train, evaluate once on the test cycle, write the payload")
    train.add_argument("--data", metavar="DIR", help="folder that holds nhanes/")
    train.add_argument("--out", metavar="DIR", required=True, help="where payload/, card.md and report.json go")
    train.add_argument("--smoke", action="store_true", help="whole pipeline on made-up people; needs no data")
    train.set_defaults(run=_train)
    fixtures = commands.add_parser("fixtures", help="write the test fixtures from the test cycle")
    fixtures.add_argument("--data", metavar="DIR", required=True, help="folder that holds nhanes/")
    fixtures.add_argument("--model", metavar="DIR", help="trained model (default: models/shipped/cardio-lr)")
    fixtures.add_argument("--out", metavar="DIR", help="where the two files go (default: tests/fixtures)")
    fixtures.set_defaults(run=_fixtures)
    for command in (train, fixtures):
        command.add_argument("--quiet", action="store_true", help="no progress on standard error")
    return parser


def _train(options, progress):
    from . import pipeline

    if options.smoke == bool(options.data):
        raise UsageProblem("give either --data DIR or --smoke")
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise UsageProblem(f"--out {out} is not a folder")
    pipeline.train(options.data, out, progress)


def _fixtures(options, progress):
    from . import pipeline

    pipeline.fixtures(options.data, options.model, options.out, progress)


if __name__ == "__main__":
    sys.exit(main())
