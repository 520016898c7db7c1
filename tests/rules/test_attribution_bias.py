"""Attribution bias: which class is named, by which reading, and when nothing is said."""

from __future__ import annotations

import re
from dataclasses import replace

from diagnose import synthetic
from diagnose.curves import Run
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.rule import Finding

RULE = next(rule for rule in load_rules() if rule.id == "attribution-bias")


def found(run: Run) -> list[Finding]:
    return list(judge(run, [RULE]).findings)


def reason(run: Run) -> str:
    [missing] = judge(run, [RULE]).not_judged
    return missing.reason


def test_the_region_and_what_it_is_worth_are_named() -> None:
    [finding] = found(synthetic.effects(0.4, transfer=0.6, p_value=1e-6))
    assert finding.summary.startswith(
        "Class 3: of 36 images that it gets right, the model loses 40 % (25 to 55) when the frame comes from other "
        "images, and takes 60 % of other images for 3"
    )
    assert finding.cause == "region"
    assert finding.severity == "warning"
    [worse] = found(synthetic.effects(0.9, transfer=0.6, p_value=1e-6))
    assert worse.severity == "error"


def test_a_region_that_may_be_what_the_class_is_asks_and_is_no_fault() -> None:
    [asked] = found(synthetic.effects(0.9, transfer=0.6, p_value=1e-6, apart=0.0))
    assert (asked.severity, asked.cause) == ("note", "question")
    assert asked.summary.startswith("The answer 3 follows the frame: is that what tells the classes apart? Class 3: of")
    assert "If the frame is what 3 is, the model is right." in asked.meaning


def test_effects_that_were_recorded_before_it_was_told_are_apart() -> None:
    run = synthetic.effects(0.9, transfer=0.6, p_value=1e-6)
    older = replace(run, series={name: one for name, one in run.series.items() if not name.startswith("apart/")})
    [finding] = found(older)
    assert finding.severity == "error"


def test_effects_are_judged_where_relevance_is_not() -> None:
    [finding] = found(synthetic.effects(0.4, transfer=0.6, p_value=1e-6, level=0.52))
    assert finding.cause == "region"
    assert found(synthetic.effects(level=0.52)) == []
    assert judge(synthetic.effects(level=0.52), [RULE]).judged == ("attribution-bias",)


def test_a_background_that_classes_share_is_found_beside_effects_that_are_none() -> None:
    [finding] = found(synthetic.effects(plain={"3": 0.4}))
    assert finding.cause == "shared"


def test_the_class_its_place_and_what_moved_are_named() -> None:
    [finding] = found(synthetic.mosaics(exchanged={"3": 0.35}))
    assert finding.summary.startswith("Class 3: Focus falls from 0.")
    assert re.search(
        r"when the lower left corner is exchanged with other images; 4\d % of its log-odds go along", finding.summary
    )
    assert finding.cause == "place"
    assert finding.marks
    assert all(61 <= mark <= 80 for mark in finding.marks)  # mosaics of class 3
    assert "look at the images of mosaics 6" in finding.recommendations[0].title


def test_the_classes_that_take_the_relevance_are_named() -> None:
    run = synthetic.mosaics(plain={"3": 0.4})
    for other, share in (("7", 0.4), ("2", 0.3)):
        run.series[f"stolen/3/{other}"].values[:] = share
    [finding] = found(run)
    assert "images of 7 (40 %) and 2 (30 %) take most relevance" in finding.summary
    assert finding.cause == "shared"


def test_several_classes_are_named_worst_first() -> None:
    [finding] = found(synthetic.mosaics(exchanged={"3": 0.35, "5": 0.3, "8": 0.4}))
    assert finding.summary.startswith("Class 5: ")
    assert finding.summary.endswith("; likewise 3, 8.")


def test_all_classes_by_a_mark_each_are_found_though_none_stands_out() -> None:
    [finding] = found(synthetic.mosaics(exchanged={str(label): 0.35 for label in range(10)}))
    assert finding.severity == "error"


def test_a_method_that_does_not_see_the_class_is_not_judged() -> None:
    assert "does not depend on the class here: Focus is 0.5" in reason(synthetic.mosaics(level=0.52))
    assert "gives a model with random weights a Focus of 0.70" in reason(synthetic.mosaics(random=0.7))


def test_a_log_without_focus_is_not_judged() -> None:
    assert reason(synthetic.healthy()) == "the log has no focus"


def test_the_rates_over_seeds() -> None:
    """At most 2 % of sound checks with noise between classes are flagged, and at least 95 % of marks are found."""
    sound = sum(bool(found(synthetic.mosaics(seed, exchanged={"3": 0.6}))) for seed in range(40))
    marked = sum(bool(found(synthetic.mosaics(seed, exchanged={"3": 0.45}))) for seed in range(40))
    assert sound == 0
    assert marked >= 38
