"""The confidence of a finding: what bears on it, and the probability that its rule's calibration makes of that."""

from __future__ import annotations

from dataclasses import replace

from diagnose import calibration
from diagnose.rule import Finding, Rule


def calibrated(finding: Finding, rule: Rule, *, usual: bool) -> Finding:
    """The finding with the probability that it is right; as it is where nobody has measured how often its rule is.

    usual: whether the thresholds are those with which that was measured.
    """
    if rule.calibration is None:
        return finding
    probability = rule.calibration.probability(features(finding))
    return replace(finding, confidence=probability, measured=usual and rule.calibration.measured)


def features(finding: Finding) -> calibration.Features:
    """What bears on whether a finding is right, from what its rule handed over: how sure it is, and the first number of
    the evidence that has a threshold, which is the one that decided.
    """
    decided = next((e for e in finding.evidence if e.threshold), None)
    if decided is None:
        return calibration.features(finding.confidence)
    return calibration.features(finding.confidence, decided.value, decided.threshold)
