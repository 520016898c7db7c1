"""What the user can mend, in one line each: an unreadable log, a setting that means nothing, foreign rules.

The command line catches `UserError` once and prints its text; anything else is a fault of ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

REPLACED: Mapping[str, tuple[str, ...]] = {
    "learning-rate-schedule": (
        "learning-rate-zero",
        "long-warmup",
        "missing-warmup",
        "learning-rate-restart",
        "learning-rate-never-decayed",
    ),
}
"""Names that settings may still hold -> the names that took their place."""


class UserError(Exception):
    """What the user can mend; `str()` is one line that names the place, what was found, and the next step."""


class SettingsError(UserError, ValueError):
    """A setting or option that means nothing; `str()` names where it stands and the nearest valid name, in one line."""


class TableError(UserError):
    """A file that is not the table of measurements that it should be; `str()` says where and what to do."""


def unknown(what: str, name: str, valid: Collection[str]) -> str:
    """`no rule 'overfit'; did you mean overfitting?`, or all valid names where none is near.

    Of a name that others took the place of, those: `no rule 'a' any more; it is now b, c`.
    """
    if heirs := REPLACED.get(name):
        return f"no {what} {name!r} any more; it is now {', '.join(heirs)}"
    near = nearest(name, valid)
    hint = f"did you mean {near}?" if near else f"valid: {', '.join(valid)}"
    return f"no {what} {name!r}; {hint}"


class ReadError(UserError):
    """A source that is no training log, or that cannot be read; `str()` is one line for the user, without the path."""


class LimitError(ReadError):
    """A source that costs more than `diagnose.limits` allows; it may well be a log."""


class ConfigError(UserError, ValueError):
    """A configuration that cannot be read; `str()` names the file, what was found and the next step, in one line."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None where none is like it."""
    from difflib import get_close_matches

    names = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.casefold(), list(names), n=1, cutoff=0.5)
    return names[close[0]] if close else None


class RulesError(UserError):
    """The installed rules cannot be used; the message says which package and what to do."""
