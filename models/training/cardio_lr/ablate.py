"""What each feature is worth: cross-validated AUC without it, and with each candidate left out.

Run on the training cycles only, over rows complete in every column compared, so that all lines of
the table speak of the same people. A plain ridge fit with class weights is enough to compare columns.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from . import data, features, split


def measure(cohort, progress):
    """Returns `[{"change", "auc", "difference", "weight_per_deviation"}]`, the shipped set first.

    `weight_per_deviation` is the weight of an added candidate, in logits per standard deviation.
    """
    rows = cohort.rows(~np.isnan(np.stack([cohort.table[name] for name in data.CANDIDATES])).any(axis=0))
    owners = np.array([field.name for field in features.FIELDS for _ in field.inputs])
    trials = [("shipped features", rows.inputs)]
    trials += [(f"without {field.name}", rows.inputs[:, owners != field.name]) for field in features.FIELDS]
    trials += [(f"with {name}", np.column_stack([rows.inputs, rows.table[name]])) for name in data.CANDIDATES]
    without_bmi = rows.inputs[:, owners != "bmi_kgm2"]
    trials.append(("waist_cm in place of bmi_kgm2", np.column_stack([without_bmi, rows.table["waist_cm"]])))
    without_drug = rows.inputs[:, owners != "bp_medicine"]
    trials.append(("sbp_mean in place of bp_medicine", np.column_stack([without_drug, rows.table["sbp_mean"]])))
    results = []
    for done, (change, columns) in enumerate(trials):
        auc, last_weight = _cross_validated(columns, rows)
        adds = change.startswith("with ") or " in place of " in change
        results.append({
            "change": change,
            "auc": round(auc, 4),
            "difference": round(round(auc, 4) - results[0]["auc"], 4) if results else 0.0,
            "weight_per_deviation": round(last_weight, 3) if adds else None,
        })
        progress.step("feature table, sets", done + 1, len(trials))
    return {"rows": len(rows), "cases": int(rows.outcome.sum()), "sets": results}


def _cross_validated(columns, rows):
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    model = LogisticRegression(class_weight="balanced", C=1.0, tol=1e-6, max_iter=1000)
    aucs = []
    for _, train, held_out in split.folds(rows):
        score = model.fit(columns[train], rows.outcome[train]).decision_function(columns[held_out])
        aucs.append(roc_auc_score(rows.outcome[held_out], score))
    return float(np.mean(aucs)), float(model.fit(columns, rows.outcome).coef_[0][-1])
