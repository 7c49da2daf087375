"""Command line: `train` writes the networks, `describe` their texts again, `fixtures` the committed patches, `patches`
a large evaluation set.

Exit codes: 0 done, 2 usage, 3 a problem with the data.
"""

import argparse
import sys
from pathlib import Path

from cardio_lr.errors import DataProblem, UsageProblem
from cardio_lr.progress import Progress

from . import images, pipeline


def main(arguments=None):
    """Runs one command and returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options, Progress(quiet=options.quiet))
    except (UsageProblem, DataProblem) as problem:
        print(f"derm_standin: {problem}", file=sys.stderr)
        return problem.exit_code
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m derm_standin", description="Make the dermoscopy stand-ins.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="make, calibrate, measure and export the networks")
    train.add_argument("--data", metavar="DIR", help="folder that holds ham10000/ and imagenet-vgg/")
    train.add_argument("--out", metavar="DIR", help=f"where NETWORK/ goes (default: {_short(pipeline.SHIPPED)})")
    train.add_argument("--smoke", action="store_true", help="whole pipeline on made-up images; needs no data")
    train.set_defaults(run=_train)
    describe = commands.add_parser("describe", help="write card, contract and golden vectors again, nothing else")
    describe.add_argument("--data", metavar="DIR", required=True, help="folder that holds ham10000/")
    describe.add_argument("--models", metavar="DIR", default=pipeline.SHIPPED, help="where NETWORK/ is")
    describe.set_defaults(run=_describe)
    fixtures = commands.add_parser("fixtures", help="write patches of twelve images and the networks' logits")
    fixtures.add_argument("--data", metavar="DIR", required=True, help="folder that holds ham10000/")
    fixtures.add_argument("--models", metavar="DIR", default=pipeline.SHIPPED, help="where NETWORK/ is")
    fixtures.add_argument("--out", metavar="DIR", default=pipeline.REPOSITORY / "tests/fixtures/patches")
    fixtures.set_defaults(run=_fixtures)
    patches = commands.add_parser("patches", help="write many patches of held-out images")
    patches.add_argument("--data", metavar="DIR", required=True, help="folder that holds ham10000/")
    patches.add_argument("--count", type=int, default=5000)
    patches.add_argument("--per-image", type=int, default=10, help="1 to 49 (default: 10)")
    patches.add_argument("--out", metavar="FILE", required=True, help="safetensors file")
    patches.set_defaults(run=_patches)
    for command in (train, describe, fixtures):
        command.add_argument("--network", choices=pipeline.NETWORKS, action="append", help="only this one")
    for command in (train, describe, fixtures, patches):
        command.add_argument("--quiet", action="store_true", help="no progress on standard error")
    return parser


def _short(path):
    return path.relative_to(pipeline.REPOSITORY)


def _train(options, progress):
    if options.smoke == bool(options.data):
        raise UsageProblem("give either --data DIR or --smoke")
    if options.smoke and not options.out:
        raise UsageProblem("--smoke needs --out DIR: made-up networks do not ship")
    out = Path(options.out or pipeline.SHIPPED)
    if out.exists() and not out.is_dir():
        raise UsageProblem(f"--out {out} is not a folder")
    pipeline.train(options.data, out, options.network or pipeline.NETWORKS, progress)


def _describe(options, progress):
    pipeline.describe(options.data, options.models, options.network or pipeline.NETWORKS, progress)


def _fixtures(options, progress):
    pipeline.write_fixtures(options.data, options.models, options.out, options.network or pipeline.NETWORKS, progress)


def _patches(options, progress):
    if options.count < 1 or not 1 <= options.per_image <= images.PATCHES:
        raise UsageProblem(f"--count is at least 1, --per-image 1 to {images.PATCHES}")
    pipeline.write_patches(options.data, options.count, options.per_image, options.out, progress)


if __name__ == "__main__":
    sys.exit(main())
