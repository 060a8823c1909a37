#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# The tables of docs/continual.md from what continual.sh left in OUT: one row per method over all seeds
# that are there, and the mean matrix of each method.
#
#   continual-table.py OUT
import glob
import json
import os
import sys

import numpy as np

METHODS = ["FT", "KD", "TG", "CoReD"]
METHODS += [f"{m}-{norm}" for m in METHODS for norm in ("frozen", "train")]


def spread(values):
    """Mean and, from two seeds on, sample standard deviation, in points."""
    v = 100 * np.array(values)
    return f"{v.mean():.1f} ± {v.std(ddof=1):.1f}" if len(v) > 1 else f"{v.mean():.1f}"


def main(out):
    found = {m: [json.load(open(f)) for f in sorted(glob.glob(os.path.join(out, "seed*", m + ".json")))]
             for m in METHODS}
    found = {m: r for m, r in found.items() if r}
    tasks = [t["name"] for t in next(iter(found.values()))[0]["tasks"]]
    print("| method | seeds | final average AUC | forgetting | backward transfer | AUC when learned (tasks 2-4) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for method, reports in found.items():
        last = [r["continual"][-1] for r in reports]
        learned = [np.mean([r["auc_matrix"][i][i] for i in range(1, len(tasks))]) for r in reports]
        print(f"| {method} | {len(reports)} | {spread([c['average_auc'] for c in last])} | "
              f"{spread([c['forgetting'] for c in last])} | {spread([c['backward_transfer'] for c in last])} | "
              f"{spread(learned)} |")
    for method, reports in found.items():
        print(f"\n{method}: AUC after each task, mean over seeds\n")
        print("| after | " + " | ".join(tasks) + " | average |\n|" + " --- |" * (len(tasks) + 2))
        matrix = np.mean([r["auc_matrix"] for r in reports], axis=0)
        for i, task in enumerate(tasks):
            row = " | ".join(f"{100 * a:.1f}" for a in matrix[i])
            print(f"| {task} | {row} | {100 * matrix[i][:i + 1].mean():.1f} |")


main(sys.argv[1])
