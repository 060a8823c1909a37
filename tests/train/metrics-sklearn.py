#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Every figure of engine/train/metrics against scikit-learn: random data, ties, one class, imbalance.
import subprocess
import sys
import warnings

try:
    import numpy as np
    from scipy.optimize import brentq, minimize_scalar
    from scipy.interpolate import interp1d
    from sklearn import metrics as sk
except ImportError as missing:
    print("skipped: no", missing.name)
    sys.exit(77)


def probe(labels, logits, real, temperature):
    text = f"{len(labels)} {logits.shape[1]} {real} {temperature!r}\n"
    groups = np.arange(len(labels)) // 2
    for y, g, z in zip(labels, groups, logits):
        text += f"{y} {g} " + " ".join(repr(float(v)) for v in z) + "\n"
    out = subprocess.run([sys.argv[1]], input=text, capture_output=True, text=True, check=True)
    return {k: float(v) for k, v in (line.split("=") for line in out.stdout.split())}


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def expected(labels, logits, real, temperature):
    c = logits.shape[1]
    z = logits.astype(np.float64)
    p = softmax(z / temperature)
    score, fake, guess = 1 - p[:, real], labels != real, logits.argmax(1)
    if c == 2:
        score = p[:, 1 - real]
    want = {"accuracy": sk.accuracy_score(labels, guess),
            "log_loss": -np.log(p[np.arange(len(labels)), labels]).mean(),
            "brier": sk.brier_score_loss(fake, np.clip(score, 0, 1), pos_label=True)
            if fake.any() and not fake.all() else ((score - fake) ** 2).mean()}
    pr, rc, f1, _ = sk.precision_recall_fscore_support(labels, guess, labels=range(c), zero_division=0)
    cm = sk.confusion_matrix(labels, guess, labels=range(c))
    for k in range(c):
        want |= {f"precision{k}": pr[k], f"recall{k}": rc[k], f"f1{k}": f1[k]}
        want |= {f"confusion{k}_{j}": cm[k, j] for j in range(c)}
    want["balanced"] = sk.balanced_accuracy_score(labels, guess)
    if fake.any() and not fake.all():
        fpr, tpr, _ = sk.roc_curve(fake, score, drop_intermediate=False)
        want["auc"] = sk.roc_auc_score(fake, score)
        want["ap"] = sk.average_precision_score(fake, score)
        want["eer"] = brentq(lambda x: 1 - x - interp1d(fpr, tpr)(x), 0, 1, xtol=1e-15)
    conf, right, ece = p.max(1), guess == labels, 0.0
    edges = np.linspace(0, 1, 16)
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (conf > low) & (conf <= high)
        if inside.any():
            ece += inside.mean() * abs(right[inside].mean() - conf[inside].mean())
    want["ece"] = ece
    fit = minimize_scalar(lambda t: t * t / 2 - np.log(np.maximum(  # with the prior of log T
        softmax(z / np.exp(t))[np.arange(len(labels)), labels], 1e-300)).sum(),
        bounds=(np.log(.05), np.log(20)), method="bounded", options={"xatol": 1e-10})
    return want, np.exp(fit.x)


def compare(name, labels, logits, real, temperature=1.0, check_fit=True):
    logits = logits.astype(np.float32)
    got = probe(labels, logits, real, temperature)
    want, fit = expected(labels, logits, real, temperature)
    bad = [f"{name}: {k}: got {got[k]!r}, want {v!r}" for k, v in want.items()
           if not abs(got[k] - v) <= 1e-9 * max(1, abs(v))]
    if check_fit and abs(got["fit"] - fit) > 1e-4 * fit:
        bad.append(f"{name}: fit: got {got['fit']}, want {fit}")
    if "auc" in want:
        few = min(np.sum(labels == real), np.sum(labels != real)) < 2  # too few to tell
        if not (np.isnan(got["low"]) if few else got["low"] <= want["auc"] <= got["high"]):
            bad.append(f"{name}: interval {got['low']}..{got['high']} misses {want['auc']}")
    elif not (np.isnan(got["auc"]) and np.isnan(got["eer"])):
        bad.append(f"{name}: AUC of one class should be NAN, got {got['auc']}")
    return bad


def main():
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(7)
    bad, cases = [], 0
    for n in (2, 3, 10, 101, 1000):
        for c, real in ((2, 1), (2, 0), (3, 2)):
            labels = rng.integers(0, c, n)
            labels[:2] = real, (real + 1) % c
            signal = np.eye(c)[labels] * 1.5
            smooth = signal + rng.normal(size=(n, c)) * 2
            bad += compare(f"random n={n} c={c}", labels, smooth, real, 1.7, n > 100)
            bad += compare(f"ties n={n} c={c}", labels, np.round(smooth), real, 1.0, n > 100)
            cases += 2
    labels = np.array([0, 1] * 8)
    bad += compare("all tied", labels, np.zeros((16, 2)), 1, check_fit=False)
    bad += compare("only fake", np.zeros(9, int), rng.normal(size=(9, 2)), 1, check_fit=False)
    bad += compare("only real", np.ones(9, int), rng.normal(size=(9, 2)), 1, check_fit=False)
    bad += compare("1:200", np.array([1] + [0] * 200), rng.normal(size=(201, 2)), 1, check_fit=False)
    bad += compare("perfect", labels, np.eye(2)[labels] * 9, 1, check_fit=False)
    bad += compare("inverted", labels, -np.eye(2)[labels] * 9, 1, check_fit=False)
    bad += compare("huge logits", labels, np.eye(2)[labels] * 1e4 - rng.random((16, 2)), 1, check_fit=False)
    print("\n".join(bad) or f"{cases + 7} cases agree with scikit-learn")
    return bool(bad)


sys.exit(main())
