"""One module per pathology; each ends in `RULE`. A new module is found without reinstalling."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace

from diagnose.calibration import ANY
from diagnose.rule import Rule
from rules import causes, confidence


def all_rules() -> list[Rule]:
    """The rules of this package, in alphabetical order of their modules, with their calibration and the rival
    causes of their findings (entry point `diagnose.rules`).
    """
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    rules = [module.RULE for module in modules if hasattr(module, "RULE")]
    calibrations = confidence.load()
    nobody = causes.Suspects(())
    return [
        replace(
            rule,
            calibration=calibrations.get(rule.id, calibrations.get(ANY)),
            causes=causes.SUSPECTS.get(rule.id, nobody).causes,
            test=causes.SUSPECTS.get(rule.id, nobody).test,
        )
        for rule in rules
    ]
