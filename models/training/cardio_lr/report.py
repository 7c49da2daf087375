"""All numbers of the card, in one document. The test cycle is read here and nowhere else in training."""

from dataclasses import asdict

import numpy as np

from . import data, features, metrics, quantise, split, threshold

AGE_BANDS = ((20, 39), (40, 59), (60, 80))


def build(model, notes, cohort, steps, left_out, ablation, draws, progress):
    """Returns the report and the scored test split (for the pictures)."""
    test = split.part(cohort, "test")
    scored = model.scored(test)
    progress.stage(f"test cycle: {len(test)} people, {draws} bootstrap draws")
    overall = metrics.with_intervals(scored, draws, progress)
    report = {
        "format": 1,
        "model_id": "cardio-lr",
        "data": {"file": data.FILE_NAME, "sha256": data.FILE_SHA256, "outcome": data.OUTCOME},
        "rows": {
            "by_rule": [{"rule": name} | _by_part(counts) for name, counts in steps],
            "left_out": left_out,
            "splits": {name: _split_numbers(cohort, name) for name in split.CYCLES},
        },
        "features": ablation,
        "imbalance": _imbalance(notes["cross_validation"]),
        "model": _model_numbers(model),
        "calibration": notes["calibration"] | asdict(model.curve),
        "threshold": {"score": model.score_threshold, "target": threshold.TARGET,
                      "confidence": threshold.CONFIDENCE,
                      "probability": _probability(model, model.score_threshold)} | notes["threshold"],
        "test": {
            "overall": overall,
            "survey_weighted": metrics.points(metrics.summary(scored, test.weight)),
            "groups": _groups(test, scored, draws, progress),
            "calibration_bins": _bins(scored),
            "bootstrap_draws": draws,
        },
    }
    return report, scored


def _by_part(counts):
    return {name: sum(counts.get(cycle, 0) for cycle in cycles) for name, cycles in split.CYCLES.items()}


def _split_numbers(cohort, name):
    rows = split.part(cohort, name)
    return {"cycles": list(split.CYCLES[name]), "people": len(rows), "cases": int(rows.outcome.sum()),
            "prevalence": round(float(rows.outcome.mean()), 6)}


def _imbalance(cross_validation):
    def row(measured):
        return {key: value if isinstance(value, str) else round(float(value), 6)
                for key, value in asdict(measured).items()}

    return {
        "chosen": row(cross_validation["choice"]),
        "best_of_each": [row(measured) for measured in cross_validation["best"].values()],
        "all": [row(measured) for measured in cross_validation["all"]],
    }


def _model_numbers(model):
    lowest, highest = model.linear.score_range(model.minimum, model.maximum)
    deviation = quantise.SCALE
    rows = [
        {"input": scale.name, "offset": scale.offset, "factor": scale.factor, "weight": int(weight),
         "minimum": int(low), "maximum": int(high),
         "logits_per_deviation": round(int(weight) / deviation, 4),
         "logits_per_unit": round(int(weight) * scale.factor / quantise.SCORE_SCALE, 6)}
        for scale, weight, low, high in zip(model.scales, model.linear.weights, model.minimum, model.maximum)
    ]
    return {
        "inputs": rows,
        "bias": model.linear.bias,
        "weight_norm": round(float(np.sqrt((model.linear.weights.astype(float) ** 2).sum())), 3),
        "score_minimum": lowest,
        "score_maximum": highest,
        "table_origin": model.table.origin,
        "table_step": model.table.step,
        "entry_logits": round(model.table.entry_logits, 6),
        "free_entries_below": int(model.table.index(lowest)),
        "free_entries_above": int(quantise.TABLE_ENTRIES - 1 - model.table.index(highest)),
        "largest_table_step": round(float(np.diff(model.table.entries).max()) / quantise.SCALE, 6),
    }


def _probability(model, score):
    return round(float(model.table.probability(score)) / quantise.SCALE, 4)


def _groups(test, scored, draws, progress):
    names = [field.name for field in features.FIELDS]
    age, male = test.fields[:, names.index("age_years")], test.fields[:, names.index("sex")]
    masks = {"women": male == 0, "men": male == 1}
    masks |= {f"{low} to {high} years": (age >= low) & (age <= high) for low, high in AGE_BANDS}
    out = {}
    for name, mask in masks.items():
        out[name] = metrics.with_intervals({key: column[mask] for key, column in scored.items()}, draws,
                                           progress, f", {name}")
    return out


def _bins(scored):
    group = metrics.groups(scored["probability"])
    size = np.bincount(group, minlength=metrics.BINS)
    predicted = np.bincount(group, scored["probability"]) / size
    observed = np.bincount(group, scored["outcome"]) / size
    return [{"people": int(n), "mean_probability": round(float(p), 6), "observed": round(float(o), 6)}
            for n, p, o in zip(size, predicted, observed)]
