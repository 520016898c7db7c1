"""What a logger, a launcher or a container writes before every line: a clock, a level, a rank, the name of a process.

A log under it is read as it would be without: "[12:00:07] | 3 | 0.52 |" is the row of a table. Such a beginning is the
same in nearly every line, but for clocks, levels and places in a program, and says nothing of the training: words that
name an epoch, a split of the data or a metric are part of the message, and so is a number that changes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from diagnose.names import roles

_MOSTLY = 0.6  # of the lines; settings, tracebacks and warnings come without
_NEARLY = 0.95  # of the lines that begin in the same way at all
_FEWEST = 5  # lines that tell
_LOOKED_AT = 400  # lines
_DEEPEST = 40  # tokens of a line

_DATE = r"(?:\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{4}|(?:[A-Z][a-z]{2}\ )?[A-Z][a-z]{2}\ [\d ]\d)"
_TIME = r"\d\d?:\d\d:\d\d(?:[.,]\d+)?(?:Z|\ ?[-+]\d\d:?\d\d|\ [AP]M)?"
_LEVELS = r"(?:INFO|DEBUG|WARN(?:ING)?|ERROR|NOTICE|CRITICAL|info|warning|error)"
_PATTERNS = {
    "colour": r"\x1b\[[\d;]*m",
    "clock": rf"[IWEF]\d{{4}}\ {_TIME}|{_DATE}(?:[T ]{_TIME}(?:\ \d{{4}}\b)?)?|{_TIME}|\d+(?:\.\d+)?\ ?s(?:ec)?\b",
    "level": rf"{_LEVELS}\b(?::[\w.]+:)?",
    "place": r"[\w/.-]+\.(?:py|cpp|cc|cu|c|go|jl|java)(?::\d+)?|[\w.]+:[\w<>]+:\d+|[A-Za-z_]\w*(?:\.\w+)+(?=\s+-\s)",
    "word": r"[^\W\d][\w.@/-]*",
    "number": r"\d+(?:\.\d+)?",
    "space": r"[ \t]+",
    "sign": r"[^\w\s]",
}
"""Kind of token -> what it looks like. Colours, clocks, levels, places and blanks are alike, whatever they say."""
_NUMBER = re.compile(r"[-+]?\.?\d")
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()))
_ALIKE = ("colour", "clock", "level", "place", "space")
_MESSAGES = frozenset({"clock", "level", "place"})
"""Kinds that only a logger writes."""
_CLOSING = frozenset("]:|>)-")
"""Signs that may close a beginning."""
_OPENED = {"]": "[", ")": "(", ">": "<"}

_Token = tuple[str, str]
"""Kind, and what it says where that counts."""


def pattern(lines: Sequence[str]) -> re.Pattern[str] | None:
    """What the lines of a log begin with and no reader should see; None where there is no such thing."""
    if not lines or not _shared([lines[len(lines) // 3], lines[2 * len(lines) // 3]], 1.0):
        return None  # the usual case, at the price of two lines
    texts = list(islice((text for text in lines if text and not text.isspace()), _LOOKED_AT))
    if len(texts) < _FEWEST:
        return None
    shared = _shared(texts, _MOSTLY)
    ends = [end for end in range(1, len(shared) + 1) if _closes([token for token, _ in shared[:end]])]
    for end in reversed(ends):
        tokens = [token for token, _ in shared[:end]]
        found = re.compile(r"\A" + "".join(map(_spelled, tokens)))
        everywhere = shared[end - 1][1] >= _NEARLY * shared[ends[0] - 1][1]  # else it ends in one of the messages
        if everywhere and _leaves_messages(found, texts, tokens):
            return found
    return None


def _shared(texts: Sequence[str], share: float) -> list[tuple[_Token, int]]:
    """The tokens that at least that share of the texts begin with, and how many do up to each."""
    shared: list[tuple[_Token, int]] = []
    places = [(text, 0) for text in texts]
    while places and len(shared) < _DEEPEST:
        found = [(text, token) for text, at in places if (token := _TOKEN.match(text, at))]
        kinds = Counter(_token(token) for _, token in found)
        [(most, count)] = kinds.most_common(1) or [(("", ""), 0)]
        if count < share * len(texts) or _of_training(most):
            break
        shared.append((most, count))
        places = [(text, token.end()) for text, token in found if _token(token) == most]
    return shared


def _token(found: re.Match[str]) -> _Token:
    kind = found.lastgroup or ""
    return kind, "" if kind in _ALIKE else found[0]


@lru_cache(maxsize=1024)
def _of_training(token: _Token) -> bool:
    """Whether a token says something of the training."""
    if token[0] != "word":
        return False
    facets = roles.parse(token[1])
    return bool(facets.is_metric or facets.counts or facets.only_split)


def _closes(tokens: Sequence[_Token]) -> bool:
    """Whether tokens are a whole beginning: a sign or a level closes it, its brackets are shut, it is no table's."""
    if not tokens or tokens[0] in (("sign", "|"), ("sign", "*"), ("space", "")):
        return False
    signs = [said for kind, said in tokens if kind == "sign"]
    if any(signs.count(close) < signs.count(start) for close, start in _OPENED.items()):
        return False
    if any(mark in signs for mark in "%{}\"'"):
        return False
    kind, _ = tokens[-1]
    if kind != "space":
        return kind == "level"
    before = [token for token in tokens[:-1] if token[0] != "colour"]
    if not before or ("=" in signs and before[-1][1] != ")"):  # (train pid=4321)
        return False
    return before[-1][0] in _MESSAGES or before[-1][1] in _CLOSING


def _spelled(token: _Token) -> str:
    """A token as a regular expression."""
    kind, said = token
    return f"(?:{_PATTERNS[kind]})" if kind in _ALIKE else re.escape(said)


def _leaves_messages(found: re.Pattern[str], texts: Sequence[str], tokens: Sequence[_Token]) -> bool:
    """Whether the lines go on with messages: some in words, and no number right behind a name or a clock.

    "G: 0.53" is a value with a name, and "2024-03-01 12:00:07 0.53" a row of a table, if the names of its columns do
    not stand behind a clock as well.
    """
    rests = [text[match.end() :].strip() for text in texts if (match := found.match(text))]
    if not any(any(map(str.isalpha, rest)) for rest in rests):
        return False
    if any(rest.endswith("|") and not rest.startswith("|") for rest in rests):
        return False  # its first mark is that of a table
    if not any(map(_NUMBER.match, rests)):
        return True
    if any(len(words) > 1 and not any(map(_NUMBER.match, words)) for words in map(str.split, rests)):
        return True
    if tokens[-1][0] == "level":
        return True
    named = tokens[-2][1] == ":" and tokens[-3][0] == "word"
    written = any(kind in _MESSAGES or kind == "number" for kind, _ in tokens)
    return written and tokens[-2][1] in _CLOSING and not named
