"""What the manual says of a rule: gathered from the rule, the catalogue of fixes and the table of trials."""

from __future__ import annotations

from diagnose.errors import SettingsError, unknown
from diagnose.judging.causes import of_cause
from diagnose.judging.installed import known_rules, load_fixes, load_trials
from diagnose.judging.needs import needs, thresholds_of
from diagnose.reports.manual import Manual


def of(name: str) -> Manual:
    """The manual of the rule of this id. Raises SettingsError where there is none."""
    known = known_rules()
    if name not in known:
        raise SettingsError(unknown("rule", name, known))
    rule, tried, catalogue = known[name], load_trials(), load_fixes()
    fixes = [catalogue[fix] for fix in of_cause(rule, "", tried) if fix in catalogue]
    return Manual(rule, needs(rule), thresholds_of(rule), fixes, tried)
