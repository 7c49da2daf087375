"""Command line: `contract` for obscura-patches, `train` for everything up to the payload, `evaluate`, `frontier`.

Exit codes: 0 done, 2 usage, 3 a problem with the data.
"""

import argparse
import json
import sys
from pathlib import Path

from cardio_lr.errors import DataProblem, UsageProblem
from cardio_lr.progress import Progress

from . import data

PARTS = ("validation", "calibration", "test")


def main(arguments=None):
    """Runs one command and returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options, Progress(quiet=options.quiet))
    except (UsageProblem, DataProblem) as problem:
        print(f"derm: {problem}", file=sys.stderr)
        return problem.exit_code
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m derm", description="Train the dermoscopy models.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    contract = commands.add_parser("contract", help="write the contract that obscura-patches reads pictures with")
    contract.add_argument("--out", metavar="FILE", required=True)
    contract.set_defaults(run=_contract)
    train = commands.add_parser("train", help="all stages; the same command goes on after a stop")
    _place(train)
    train.add_argument("--smoke", action="store_true", help="all stages on made-up images, seconds; needs no data")
    train.add_argument("--out", metavar="DIR", required=True, help="where payload/, report.json and the curve go")
    train.set_defaults(run=_train)
    evaluate = commands.add_parser("evaluate", help="figures of both networks on one part, as JSON on standard output")
    _place(evaluate)
    evaluate.add_argument("--part", choices=PARTS, default="validation")
    evaluate.add_argument("--open-test", action="store_true", help="with --part test: it is opened once, at the end")
    evaluate.add_argument("--noise", type=float, default=1.2, metavar="ENTRIES",
                          help="deviation at the tables' inputs, as obscura-compile predicts it (default: 1.2)")
    evaluate.add_argument("--draws", type=int, default=0, help="noisy evaluations of the quantised network (default: none)")
    evaluate.set_defaults(run=_evaluate)
    frontier = commands.add_parser("frontier", help="train lean networks of different sizes; table and picture")
    _place(frontier)
    frontier.add_argument("--smoke", action="store_true", help="two networks on made-up images; needs no data")
    frontier.add_argument("--out", metavar="DIR", required=True, help="where frontier.json, .md and .png go")
    frontier.add_argument("--network", metavar="NAME", action="append", help="only this one (may be repeated)")
    frontier.set_defaults(run=_frontier)
    tiny = commands.add_parser("tiny", help="write the checkpoint and the integers of tests/test_derm_export.py again")
    tiny.add_argument("--out", metavar="DIR", default=Path(__file__).resolve().parents[1] / "tests/data")
    tiny.set_defaults(run=_tiny)
    for command in (contract, train, evaluate, frontier, tiny):
        command.add_argument("--quiet", action="store_true", help="no progress on standard error")
    return parser


def _place(command):
    command.add_argument("--data", metavar="DIR", help="folder that holds ham10000/ and imagenet-vgg/")
    command.add_argument("--integers", metavar="FILE", help="what obscura-patches --whole wrote (.npy)")
    command.add_argument("--work", metavar="DIR", required=True, help="checkpoints, outside of the repository")


def _contract(options, progress):
    Path(options.out).write_bytes(data.reading_contract_bytes())
    progress.stage(f"written {options.out}")


def _check_place(options, smoke=False):
    if smoke == bool(options.data) or bool(options.data) != bool(options.integers):
        raise UsageProblem("give --data DIR and --integers FILE" + (", or --smoke" if hasattr(options, "smoke") else ""))


def _train(options, progress):
    _check_place(options, options.smoke)
    # Here and not above: the framework is needed by some commands, not by the others.
    from . import commands

    commands.train(commands.Workplace(options.work, options.data, options.integers), options.out, progress)


def _frontier(options, progress):
    _check_place(options, options.smoke)
    from .frontier import frontier

    frontier(options.work, options.out, progress, options.data, options.integers, options.network)


def _evaluate(options, progress):
    if options.open_test != (options.part == "test"):
        raise UsageProblem("--part test and --open-test belong together")
    _check_place(options)
    from . import commands

    place = commands.Workplace(options.work, options.data, options.integers)
    figures, temperatures = commands.evaluate(place, options.part, progress, options.open_test, options.noise, options.draws)
    print(json.dumps({"part": options.part, "temperatures": temperatures, "figures": figures}, indent=1))


def _tiny(options, progress):
    from . import tiny

    tiny.write(options.out, progress)
    progress.stage(f"written to {options.out}")


if __name__ == "__main__":
    sys.exit(main())
