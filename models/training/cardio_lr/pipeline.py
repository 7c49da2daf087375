"""The two commands, step by step."""

import hashlib
import json
from pathlib import Path

from . import ablate, card, data, export, fit, model, pictures, report, split, synthetic
from . import fixtures as fixture_rows
from .progress import Progress

BOOTSTRAP_DRAWS = 2000
SMOKE_BOOTSTRAP_DRAWS = 20
SMOKE_GRID = fit.Grid(strengths=(0.01, 0.1), l1_ratios=(0.5,))


def train(data_dir, out: Path, progress: Progress):
    """Trains and writes everything below `out`. Without `data_dir`: made-up people, small grid."""
    smoke = data_dir is None
    progress.stage("made-up people" if smoke else f"reading {Path(data_dir) / data.FILE_NAME}")
    table = data.parse(synthetic.lines(), "made-up people") if smoke else data.load(data_dir)
    cohort, steps = model.read_cohort(table, progress)
    trained, notes = model.train(cohort, SMOKE_GRID if smoke else fit.Grid(), progress)
    progress.stage("what each feature is worth")
    ablation = ablate.measure(split.part(cohort, "train"), progress)
    draws = SMOKE_BOOTSTRAP_DRAWS if smoke else BOOTSTRAP_DRAWS
    left_out = data.left_out(table, cohort.seqn, sum(split.CYCLES.values(), ()))
    numbers, scored = report.build(trained, notes, cohort, steps, left_out, ablation, draws, progress)

    text = card.render(numbers, smoke)
    files = export.payload(trained, text)
    export.write(out / "payload", files)
    (out / "card.md").write_text(text, encoding="utf-8")
    (out / "report.json").write_text(export.json_text(numbers), encoding="utf-8")
    cycle = "made-up people" if smoke else "NHANES " + ", ".join(split.CYCLES["test"])
    pictures.roc(out / "roc.png", scored, f"ROC, {cycle}, {len(scored['outcome'])} people")
    pictures.calibration(out / "calibration.png", scored, f"Calibration, {cycle}")
    progress.stage(f"written to {out}")
    for name in sorted(files):
        print(f"{hashlib.sha256(files[name]).hexdigest()}  payload/{name}")
    if "parameters.json" not in files:
        print(f"missing: payload/parameters.json, because {export.PARAMETERS.relative_to(export.REPOSITORY)} "
              "does not exist; train again once it does")


def fixtures(data_dir, model_dir, out, progress: Progress):
    """Writes the fixture files from the trained model and the test cycle."""
    read = fixture_rows.read_payload(Path(model_dir or fixture_rows.SHIPPED) / "payload")
    progress.stage(f"reading {Path(data_dir) / data.FILE_NAME}")
    cohort, _ = model.read_cohort(data.load(data_dir), progress)
    folder = Path(out or fixture_rows.FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in fixture_rows.sample(cohort, read).items():
        (folder / name).write_text(_line_per_record(document), encoding="utf-8")
        progress.stage(f"written {folder / name}")


def _line_per_record(document):
    """JSON with each record on one line: a changed record is then one changed line."""
    records = document["records"] if isinstance(document, dict) else document
    body = ",\n".join("    " + json.dumps(record) for record in records)
    if isinstance(document, list):
        return f"[\n{body}\n]\n"
    return f'{{\n  "source": {json.dumps(document["source"])},\n  "records": [\n{body}\n  ]\n}}\n'
