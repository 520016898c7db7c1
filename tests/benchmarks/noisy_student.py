"""What Noisy Student gains over its control arm: the same student, noise and number of steps, without pseudo-labels.

python tests/benchmarks/noisy_student.py [--seeds 10] [--first-seed 0]

100 labelled digits, 1,338 without labels, an MLP under dropout and shifted digits. Of each seed four trainings: plain
(no noise, no pseudo-labels), the first teacher (half as wide, under noise, as many steps), the control arm, the
student. Student and control arm take the same number of steps. The gain is the student's validation accuracy less the
control's, in points, with the 95 % interval of its mean over the seeds (Student's t, paired).
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import replace
from typing import Any

from scipy import stats

from reference_trainer.data import TASKS
from reference_trainer.recipe import Recipe
from reference_trainer.self_training import noisy_student, teacher
from reference_trainer.train import fit, train

SETTING: dict[str, Any] = {
    "model": "mlp",
    "width": 128,
    "examples": 100,
    "batch_size": 20,
    "epochs": 30,
    "dropout": 0.2,
    "augmentation": "shift-flip",
    "self_training": "noisy-student",
}


def accuracies(seed: int) -> dict[str, float]:
    """The validation accuracy of each arm, in percent."""
    student = Recipe(**SETTING, seed=seed)
    data = TASKS[student.task](student)
    labelled = noisy_student(student, data, fit)
    steps = student.epochs * (len(labelled.x) // student.batch_size)
    epochs = round(steps / (len(data.x) // student.batch_size))
    arms = {
        "plain": (replace(student, self_training="none", dropout=0.0, augmentation="none"), data),
        "teacher": (teacher(student, 0, data), data),
        "control": (replace(student, self_training="none", epochs=epochs), data),
        "student": (replace(student, self_training="none"), labelled),
    }
    return {name: 100.0 * train(recipe, data=own).rows[-1]["val_accuracy"] for name, (recipe, own) in arms.items()}


def main() -> None:
    """Print a row per seed, the means, and the gain over the control arm with its interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    rows = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        rows.append(accuracies(seed))
        print(f"seed {seed}: " + ", ".join(f"{name} {value:.1f} %" for name, value in rows[-1].items()), flush=True)
    print("mean: " + ", ".join(f"{name} {statistics.mean(row[name] for row in rows):.1f} %" for name in rows[0]))
    for other in ("teacher", "control"):
        gains = [row["student"] - row[other] for row in rows]
        spread = statistics.stdev(gains) / math.sqrt(len(gains)) * float(stats.t.ppf(0.975, len(gains) - 1))
        mean = statistics.mean(gains)
        print(f"student over {other}: {mean:+.1f} points ({mean - spread:+.1f} to {mean + spread:+.1f})")


if __name__ == "__main__":
    main()
