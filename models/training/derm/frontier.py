"""The frontier: what networks of different numbers of tables are worth, trained alike, on the validation part."""

from pathlib import Path

from cardio_lr.errors import UsageProblem
from derm_core import collection
from derm_core.export import json_text

from . import commands, payload, pictures, spec

SHOWN = ("balanced_accuracy", "macro_auc", "melanoma_sensitivity_at_80_specificity")
SMOKE = tuple(model for model in spec.FRONTIER if model.name in ("four-2-8-32-128", "overlap-32-64-256"))


def frontier(work, out, progress, data_dir=None, integers=None, names=None):
    """Trains the networks named (default: all), and writes `frontier.json`, `frontier.md` and `frontier.png` of those that
    are done. The same command goes on after a stop."""
    models = _chosen(names) if data_dir else SMOKE
    rows = []
    for done, model in enumerate(models, 1):
        progress.stage(f"{model.name}, {done} of {len(models)}: {model.tables()} tables per patch")
        place = commands.Workplace(Path(work) / model.name, data_dir, integers, model)
        commands.train_float(place, progress)
        commands.train_quantised(place, progress)
        figures, _ = commands.evaluate(place, "validation", progress)
        rows.append({"model": model.name, "tables_per_patch": model.tables(), "products_per_patch": model.products(),
                     "tables_per_scan": model.tables() * collection.PATCHES, "spec": model.to_json(),
                     "figures": {name: {key: values[key] for key in SHOWN} for name, values in figures.items()}})
        _write(out, rows, data_dir is None)
    progress.stage(f"written to {out}")


def _chosen(names):
    known = {model.name: model for model in spec.FRONTIER}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise UsageProblem(f"no network {unknown[0]}; there are {', '.join(known)}")
    return [known[name] for name in names or known]


def _write(out, rows, made_up):
    rows = sorted(rows, key=lambda row: row["tables_per_patch"])
    document = {"format": 1, "made_up_data": made_up, "part": "validation", "rows": rows}
    payload.write(out, {"frontier.json": json_text(document).encode(), "frontier.md": _table(rows, made_up).encode()})
    pictures.frontier(Path(out) / "frontier.png", rows)


def _table(rows, made_up):
    lines = ["**Made-up images: no number here means anything.**", ""] if made_up else []
    lines += ["Validation part; 95 % intervals by lesion. Tables are of one image, 49 patches.", "",
              "| network | tables | balanced accuracy, float | balanced accuracy, 5 bits | macro AUC, 5 bits |",
              "|---|---|---|---|---|"]
    for row in rows:
        cells = [payload.card.cell(row["figures"][network][figure]) for network, figure in (
            ("float", "balanced_accuracy"), ("quantised", "balanced_accuracy"), ("quantised", "macro_auc"))]
        lines.append(f"| {row['model']} | {row['tables_per_scan']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
