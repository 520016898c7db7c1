"""Plain text logs: what people print, what loggers write, what a console showed.

Each line is read by `log_line`; this file decides which lines are points of a curve. A line of a kind that comes again
and again and names a loss or an accuracy is one; so is a line of another kind that comes in between ("lr 0.1",
"DEV : loss 0.2"). A configuration dump, a traceback or a summary comes once, or in one piece, and is none.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, groupby, islice, pairwise

from diagnose.errors import ReadError
from diagnose.names.roles import SPLITS, is_metric_name, parse
from diagnose.readers.formats import printed_table
from diagnose.readers.formats.log_line import UNNAMED, Line, heading, is_held_out, parse_line
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.records import table_from_records
from diagnose.readers.tables.table import Table

NAME = "text-log"

_LEAST_LINES = 5  # lines of one kind that make a curve
_LEAST_DISTINCT = 3  # distinct values that lines without epoch or step must have: `loss = 0.0` in source code has one
_LEAST_SHARE = 0.2  # of the lines; of lines without epoch or step that is the difference to prose and code
_LEAST_SHARE_ANNOUNCED = 0.05  # of the lines, where other lines announce the epochs
_EVALUATION = "eval"  # the split of a progress bar that is no training's
_MOSTLY = 0.8  # of a counter's values that equal their total: it counts within the epoch and is always done

_HINTS = (
    *(
        "loss",
        "acc",
        "err",
        "cost",
        "score",
        "reward",
        "return",
        "perplexity",
        "ppl",
        "iou",
        "dice",
        "map",
        "f1",
        "auc",
    ),
    *("mse", "mae", "bleu", "nll", "elbo", "top", "prec", "recon", "gan", "l1", "l2", "ndcg", "cycle", "xent", "l_"),
    *(
        "verlust",
        "genauigkeit",
        "perte",
        "précision",
        "pérdida",
        "perdida",
        "exactitud",
        "precisión",
        "perda",
        "perdita",
    ),
    *("accuratezza", "потер", "точность", "strata", "doğruluk", "akurasi", "verlies"),
    *("utility", "fitness", "trl", "tel"),
    *("损失", "損失", "손실", "准确率", "準確率", "精度", "정확도"),
)
_BARE = ("learn", "train", "val", "test", "total")
"""Sets of data and a total, which name a value where nothing else does; each stands right before it."""
_PLACES = ("epoch", "batch", "step", "iter")
"""What a number stands behind that is all that a line says."""
_HINT = re.compile(  # of a line in lower case
    rf"(?:{'|'.join(_PLACES)})\w*[ :#]{{0,3}}\d+:\s*-?\d+\.\d+\s*\Z|"
    rf"\b(?:{'|'.join(_BARE)})\w{{0,20}}[\s:=>'\"-]{{1,9}}\d+\.\d|(?:{'|'.join(_HINTS)}),?(?:[^\d,;]|',){{0,60}}?[\s:\uff1a=(\[\"'](?:[-+]?\.?\d|[-+]?nan\b|[-+]?inf)"
)
_OF_NUMBERS = str.maketrans("", "", "0123456789.,;|:+-eE \t\n")  # what a table of numbers is made of
_FIRST_LOOK = 400  # lines that decide where they can
_OTHER_LANGUAGE = re.compile(
    r"\s*(?:[\[{]\s*(?:[\"\[{\]}\n]|\Z)|<[!?]|</?[a-zA-Z][\w:-]*(?:\s+[\w:-]+=|\s*/?>)|#!)"
)  # JSON, markup, a script
_COMMA_DECIMAL = re.compile(r"(?<=[=: (])([-+]?\d{1,9}),(\d{1,20})(?=[,;)%|\s]|\Z)")
_POINT_DECIMAL = re.compile(r"(?<=[=: (])[-+]?\d{1,9}\.\d")
_THOUSANDS = 3  # digits behind a comma that may group a whole number
_BACKSPACES = re.compile("\x08+")

_Kind = tuple[frozenset[str], str, str, bool]


def recognise(document: Document) -> bool:
    """Whether at least five lines of the head are of one kind, and of a kind that is a point of a curve."""
    lines = [text for text in document.head_lines if text and not text.isspace()]
    if not _has_words(lines):
        return False
    texts = list(_with_points(lines))
    if _OTHER_LANGUAGE.match("\n".join(texts[:2]).lstrip("\ufeff")):
        return False
    if not _has_hints(texts) and not printed_table.headers_of(texts):
        return False
    return _is_log(texts[:_FIRST_LOOK]) or (len(texts) > _FIRST_LOOK and _is_log(texts))


def _is_log(texts: Sequence[str]) -> bool:
    """Whether these lines hold points of a curve, and are no prose or code that happens to name numbers."""
    lines = _counted(list(_parse(texts, printed_table.headers_of(texts))))
    main = _main_kinds(lines)
    if any(places for places, *_ in main):
        return True
    least = _LEAST_SHARE_ANNOUNCED if _announced(lines) else _LEAST_SHARE
    return bool(main) and sum(_kind(line) in main for line in lines if line.values) >= least * len(texts)


def read(document: Document) -> list[Table]:
    """Read the log: a row per line, over the epoch or over a step that counts through.

    Raises ReadError where too few lines are alike.
    """
    headers = printed_table.headers_of(document.head_lines)
    raw = _counted(_under_headings(list(_parse(_with_points(document.lines()), headers))))
    lines = _evaluations_apart(_without_states(_with_epochs(raw)))
    main = _main_kinds(lines)
    if not main:  # one progress bar over the whole training: its states are the curve
        lines = _last_of_each_count(raw)
        main = _main_kinds(lines)
    if not main:
        raise ReadError(f"no loss or accuracy is printed on {_LEAST_LINES} lines of one kind, so there is no curve")
    between = _kinds_between(lines, main)
    rows = _rows(lines, main | between, _axes(lines, main, between))
    _restore_epochs(rows)
    _open_epochs(rows)
    _name_epoch_means(rows)
    _number_silent_epochs(rows)
    _count_through(rows)
    _place_by_epoch(rows)
    percent = {name for line in lines for name, (_, sign) in line.values.items() if sign}
    table = table_from_records(
        (row.places | row.values for row in rows),
        NAME,
        axis=_axis_of(rows),
        percent=percent | {name + _EPOCH_MEAN for name in percent},
        lines=[row.number for row in rows],
    )
    return [table]


def _with_points(texts: Iterable[str]) -> Iterator[str]:
    """The lines with a point in every decimal number, where the first lines write commas."""
    texts = iter(texts)
    first = list(islice(texts, _FIRST_LOOK))
    commas = [digits for text in first if "," in text for _, digits in _COMMA_DECIMAL.findall(text)]
    points = sum(len(_POINT_DECIMAL.findall(text)) for text in first) if commas else 0
    if len(commas) < max(_LEAST_LINES, points) or all(len(digits) == _THOUSANDS for digits in commas):
        yield from first
        yield from texts
    else:
        yield from (_COMMA_DECIMAL.sub(r"\1.\2", text) for text in chain(first, texts))


def _axis_of(rows: Sequence[_Row]) -> str | None:
    """The column that is the x axis; None where it is a position within epochs that no line counts."""
    if not any("step" in row.places for row in rows):
        return "epoch"
    within = [row.places["step"] for row in rows if "step" in row.own and row.total is not None]
    silent = not any("epoch" in row.places for row in rows)
    return None if silent and any(later < former for former, later in pairwise(within)) else "step"


def _has_words(texts: Sequence[str]) -> bool:
    """Whether the lines below the first hold more than numbers and what stands between them, as those of a CSV do."""
    return len("".join(texts[1:]).translate(_OF_NUMBERS)) >= _LEAST_LINES - 1


def _has_hints(texts: Sequence[str]) -> bool:
    """A cheap first look: as many lines where a metric's name stands before a number as make a curve."""
    lower = map(str.lower, texts)
    likely = (text for text in lower if any(hint in text for hint in (*_HINTS, *_BARE, *_PLACES)))
    return len(list(islice(filter(_HINT.search, likely), _LEAST_LINES))) == _LEAST_LINES


def _parse(texts: Iterable[str], headers: Mapping[str, Sequence[str]]) -> Iterator[Line]:
    """The lines that say anything, each under the heading above it; a backspace starts the line anew.

    headers: the rows of names that stand again and again above a row of values.
    """
    heading_split = split_before = ""
    fresh = False  # nothing has come since the heading
    for number, text in enumerate(printed_table.pieces(texts, headers), 1):
        if isinstance(text, Line):
            text.number = number
            yield text
            continue
        for piece in _BACKSPACES.split(text) if "\x08" in text else (text,):
            if not piece or piece.isspace():
                continue
            if announced := heading(piece):
                heading_split, fresh = announced, True
                continue
            line = parse_line(piece, heading_split, split_before)
            if line is not None and heading_split and line.places.keys() & {"epoch", "step"}:
                under, heading_split = heading_split if fresh else "", ""  # the block under the heading is over
                line = parse_line(piece, "", split_before)
                if line is not None:
                    line.under = under
            fresh = fresh and line is None
            if line is not None:
                line.number = number
                split_before = line.split
                yield line


# --- which lines are points -------------------------------------------------------------------------------------------


def _kind(line: Line) -> _Kind:
    """What two lines have in common that come from the same print statement."""
    return frozenset(line.places), line.split.lower(), next(iter(line.values)), line.bar


def _without_states(lines: Sequence[Line]) -> list[Line]:
    """The lines with only the last state of each progress bar and of each pass over a validation set."""
    train_totals = {line.totals["step"] for line in lines if "step" in line.totals and not line.held_out}
    kept: list[Line] = []
    epoch = -1.0  # named last; another one begins new bars
    open_states: dict[tuple[object, ...], tuple[int, float]] = {}  # place in kept and count, while nothing came between
    for line in lines:
        counter = _state_counter(line, train_totals)
        if counter is None and not line.bar:
            if line.values or line.places.get("epoch", epoch) != epoch:
                open_states.clear()
            epoch = line.places.get("epoch", epoch)
            kept.append(line)
            continue
        final = replace(line, places={kind: place for kind, place in line.places.items() if kind != counter})
        if not line.values:
            if final.places:
                kept.append(final)
            continue
        state = (line.bar, line.split.lower(), *sorted(final.places.items()))
        count = line.places.get(counter, 0.0) if counter else 0.0
        if state in open_states and _goes_on(open_states[state][1], count, line.totals.get(counter or "", 0.0)):
            kept[open_states[state][0]] = final
            open_states[state] = (open_states[state][0], count)
        else:
            open_states[state] = (len(kept), count)
            kept.append(final)
    return kept


def _goes_on(last: float, count: float, total: float) -> bool:
    """Whether a state belongs to the bar that stood at `last`; states may be written in another order than drawn."""
    return count >= last or (last < total and 2 * count > last)


def _under_headings(lines: list[Line]) -> list[Line]:
    """The lines with those named as held-out that stand under such a heading, where the like stand under none too."""
    headed = Counter(_kind(line) for line in lines if line.values and is_held_out(line.under))
    bare = (
        Counter(_kind(line) for line in lines if line.values and not is_held_out(line.under)) if headed else Counter()
    )
    both = {kind for kind, count in headed.items() if min(count, bare[kind]) >= _LEAST_DISTINCT}
    return [
        replace(line, values={f"{line.under} {name}": value for name, value in line.values.items()}, split=line.under)
        if is_held_out(line.under) and line.values and _kind(line) in both and not any(map(_split_named, line.values))
        else line
        for line in lines
    ]


def _with_epochs(lines: list[Line]) -> list[Line]:
    """The lines with a counter without a name called an epoch where it has the total of the epochs of other lines.

    That is so of "[3/8] val_loss: 0.5" among lines such as "[3/8][20/300] loss: 0.4".
    """
    epochs = {line.totals["epoch"] for line in lines if "step" in line.places and "epoch" in line.totals}
    epochs -= {line.totals["step"] for line in lines if "step" in line.totals}
    return (
        [
            replace(line, places={"epoch": line.places["count"]}, totals={"epoch": line.totals["count"]})
            if not line.bar and line.places.keys() == {"count"} and line.totals.get("count") in epochs
            else line
            for line in lines
        ]
        if epochs
        else lines
    )


def _counted(lines: list[Line]) -> list[Line]:
    """The lines with a counter of an unknown name as their step ("after cycle=3 ..."), where none says where it stands.

    It is the first value of lines of one kind, a whole number that never falls and mostly grows.
    """
    if any(line.places for line in lines if line.values):
        return lines
    alike: dict[_Kind, list[Line]] = defaultdict(list)
    for line in lines:
        if len(line.values) > 1:
            alike[_kind(line)].append(line)
    for kind, found in alike.items():
        counts = [line.values[kind[2]][0] for line in found]
        counts_up = all(count.is_integer() for count in counts) and counts == sorted(counts)
        if counts_up and len(set(counts)) >= max(_LEAST_LINES, len(counts) // 4) and not _is_metric(kind[2]):
            for line in found:
                line.places["step"] = line.values.pop(kind[2])[0]
    return lines


def _split_named(name: str) -> str:
    """The split that the name of a value says."""
    return parse(name).split


def _last_of_each_count(lines: Sequence[Line]) -> list[Line]:
    """The lines with the last state of a progress bar at each of its counts, which a bar may draw twice."""
    ends = [former.bar and later.bar and former.places == later.places for former, later in pairwise(lines)]
    return [line for line, drawn_again in zip(lines, [*ends, False], strict=False) if not drawn_again]


def _evaluations_apart(lines: Sequence[Line]) -> list[Line]:
    """The lines with those progress bars named as evaluations that are shorter than the training's before and after.

    A program that evaluates with the bar it trains with (`fit`, then `evaluate`) prints the same names.
    """
    bars = [i for i, line in enumerate(lines) if line.bar and line.values and not line.split]
    totals = [lines[i].totals.get("count", 0.0) for i in bars]
    apart = list(lines)
    for i, former, at, later in zip(bars[1:], totals, totals[1:], [*totals[2:], None], strict=False):
        if 0 < at < former and later in (former, None):
            named = {f"{_EVALUATION} {name}": value for name, value in lines[i].values.items()}
            apart[i] = replace(lines[i], values=named, averages={}, split=_EVALUATION)
    return apart


def _state_counter(line: Line, train_totals: set[float]) -> str | None:
    """The place of a line that counts the states of a progress bar or of a pass over a validation set; else None."""
    if line.bar:
        return "count" if "count" in line.places else None
    if line.held_out:
        if "count" in line.places:
            return "count"
        if "step" in line.totals and line.totals["step"] not in train_totals:
            return "step"
    return None


def _announced(lines: Sequence[Line]) -> bool:
    """Whether lines of their own announce the epochs or steps ("Epoch 3/10")."""
    return sum(1 for line in lines if not line.values and line.places.keys() & {"epoch", "step"}) > 1


def _main_kinds(lines: Sequence[Line]) -> set[_Kind]:
    """The kinds of lines that come often enough and hold a loss or another metric.

    Where some say at which epoch or step they stand, one that does not must come in between, and one that counts
    something else must not share their columns.
    """
    alike: dict[_Kind, list[Line]] = defaultdict(list)
    for line in lines:
        if line.values:
            alike[_kind(line)].append(line)
    announced = _announced(lines)
    metrics = {name for name in {name for line in lines for name in line.values} if _is_metric(name)}
    placed: set[_Kind] = set()
    loose: set[_Kind] = set()
    columns: dict[str, frozenset[str]] = {}
    for kind, found in sorted(alike.items(), key=lambda item: -len(item[1])):
        moving = {value for line in found for name, (value, _) in line.values.items() if name in metrics}
        if len(found) < _LEAST_LINES or not moving:
            continue
        if not any(len({line.places[place] for line in found}) > 1 for place in kind[0]):
            if announced or len(moving) >= _LEAST_DISTINCT:
                loose.add(kind)
        elif all(kind[0] & columns.get(name, kind[0]) for line in found for name in line.values):
            placed.add(kind)
            columns |= {name: kind[0] for line in found for name in line.values}
    return placed | (_kinds_between(lines, placed) & loose) if placed else loose


@lru_cache(maxsize=1024)
def _is_metric(name: str) -> bool:
    """Whether a name is that of a metric, or of a set of data or a total, of which the values tell the metric."""
    return is_metric_name(name) or name.casefold() in SPLITS or name.casefold() in ("total", UNNAMED)


def _kinds_between(lines: Sequence[Line], main: set[_Kind]) -> set[_Kind]:
    """The other kinds whose lines stand in between the lines of the main kinds, once per epoch or so.

    One that holds a column of the main kinds must say where it stands, or the column would mix two things. One whose
    metrics are whole numbers that never change says how the program was called.
    """
    mains_so_far = 0
    at: dict[_Kind, list[int]] = defaultdict(list)  # kind -> how many main lines and epochs stood before each of its
    main_columns: set[str] = set()
    columns: dict[_Kind, set[str]] = defaultdict(set)
    seen: dict[_Kind, set[tuple[float, ...]]] = defaultdict(set)
    for line in lines:
        if not line.values:
            mains_so_far += "epoch" in line.places
            continue
        kind = _kind(line)
        if kind in main:
            mains_so_far += 1
            main_columns.update(line.values)
        else:
            at[kind].append(mains_so_far)
            columns[kind].update(line.values)
            seen[kind].add(tuple(value for name, (value, _) in line.values.items() if _is_metric(name)))
    main_places = frozenset[str]().union(*(kind[0] for kind in main))
    return {
        kind
        for kind, before in at.items()
        if len(before) > 1
        and not _is_setting(seen[kind])
        and 2 * sum(former < later for former, later in pairwise(before)) >= len(before) - 1
        and (kind[0] & main_places or not columns[kind] & main_columns)
    }


def _is_setting(metrics: Collection[tuple[float, ...]]) -> bool:
    """Whether what the lines of a kind say of metrics is always the same, and whole numbers: their weights, say."""
    first = next(iter(metrics))
    return len(metrics) == 1 and bool(first) and all(value.is_integer() for value in first)


# --- where they stand -------------------------------------------------------------------------------------------------


@dataclass
class _Row:
    """A line that is a point.

    places: epoch and step as the log counts them, carried over from earlier lines where this one does not say.
    values: name -> value.
    own: the places that the line itself names.
    total: steps per epoch where the line says it.
    number: which line of the file it is, from 1.
    """

    places: dict[str, float]
    values: dict[str, float]
    own: frozenset[str]
    total: float | None
    number: int


@dataclass(frozen=True)
class _Axes:
    """spelled: place of a line -> `epoch` or `step`; announced: those taken from lines of their own."""

    spelled: Mapping[str, str]
    announced: frozenset[str]


def _axes(lines: Sequence[Line], main: set[_Kind], between: set[_Kind]) -> _Axes:
    """Which places of the lines are the axis, and what a counter without a name counts.

    A line in between announces an epoch as one without values does: "epoch 3 lr 0.01".
    """
    points = [line for line in lines if line.values and _kind(line) in main]
    places = set().union(*(line.places for line in points))
    counts = [line.places["count"] for line in points if "count" in line.places]
    done = sum(line.places["count"] == line.totals.get("count") for line in points if "count" in line.places)
    if done >= _MOSTLY * max(len(counts), 1):
        places.discard("count")
    announced = {kind for line in lines if not line.values for kind in line.places} - {"count"}
    if not places:
        announced |= {kind for line in lines if line.values and _kind(line) in between for kind in line.places}
        announced -= {"count"}
        return _Axes({kind: kind for kind in announced}, frozenset(announced))
    spelled = {kind: kind for kind in places}
    if "count" in places:
        ticks = {later - former for former, later in pairwise(counts)}
        spelled["count"] = "epoch" if places == {"count"} and ticks <= {0.0, 1.0} and len(ticks) > 0 else "step"
    inner = [line.places.get("step", line.places.get("count", 0.0)) for line in points if not line.held_out]
    if "epoch" not in spelled.values() and "epoch" in announced and any(a > b for a, b in pairwise(inner)):
        return _Axes(spelled | {"epoch": "epoch"}, frozenset({"epoch"}))
    return _Axes(spelled, frozenset())


def _places_ahead(lines: Sequence[Line], accepted: set[_Kind]) -> list[Mapping[str, float]]:
    """For each line the places of the next point that names its own."""
    ahead: dict[str, float] = {}
    found: list[Mapping[str, float]] = []
    for line in reversed(lines):
        found.append(ahead)
        if line.places and line.values and _kind(line) in accepted:
            ahead = line.places
    return found[::-1]


def _rows(lines: Sequence[Line], accepted: set[_Kind], axes: _Axes) -> list[_Row]:
    """One row per accepted line; a line that follows another ("* Acc@1 76.1") goes into its row.

    A line that only says where the training is ("Iteration 250, Testing net") holds for those below it, where that is
    the only way to know or it lies between the points before and after.
    """
    rows: list[_Row] = []
    carried: dict[str, float] = {}
    lines = _closed(lines, accepted, axes)
    for line, ahead in zip(lines, _places_ahead(lines, accepted), strict=True):
        if not line.values:
            for kind, at in line.places.items():
                fits = kind in axes.spelled and carried.get(axes.spelled[kind], at) <= at <= ahead.get(kind, -1.0)
                if kind in axes.announced or fits:
                    carried[axes.spelled[kind]] = at
            continue
        if _kind(line) not in accepted:
            continue
        own = {axes.spelled[kind]: at for kind, at in line.places.items() if kind in axes.spelled}
        carried |= own
        values = {name: value for name, (value, _) in line.values.items()} | line.averages
        if line.follows and rows and not own:
            spelled = {name.casefold(): name for name in rows[-1].values}
            rows[-1].values.update({spelled.get(name.casefold(), name): value for name, value in values.items()})
            continue
        total = line.totals.get("step", line.totals.get("count")) if line.totals else None
        rows.append(_Row(dict(carried), values, frozenset(own), None if line.held_out else total, line.number))
    return rows


def _closed(lines: Sequence[Line], accepted: set[_Kind], axes: _Axes) -> Sequence[Line]:
    """The lines with those that announce a place before the points that they close, where they come after them.

    That is so where points come before the first of them, and none after the last ("Epoch 3 done" below the values).
    """
    points = [i for i, line in enumerate(lines) if line.values and _kind(line) in accepted]
    saying = [i for i, line in enumerate(lines) if not line.values and line.places.keys() & axes.announced]
    if not saying or not points or not (points[0] < saying[0] and points[-1] < saying[-1]):
        return lines
    starts = [0, *(at + 1 for at in saying)]
    parts = [[lines[at], *lines[start:at]] for start, at in zip(starts, saying, strict=False)]
    return [*chain.from_iterable(parts), *lines[saying[-1] + 1 :]]


def _restore_epochs(rows: Sequence[_Row]) -> None:
    """Count the epochs on where a console has overwritten some of the lines that announce them.

    That is so where there is one kind of point only and every epoch has as many as there are epochs to the next.
    """
    if any(row.own or "epoch" not in row.places or row.values.keys() != rows[0].values.keys() for row in rows):
        return
    groups = [(epoch, list(group)) for epoch, group in groupby(rows, key=lambda row: row.places["epoch"])]
    if all(len(group) == later - epoch for (epoch, group), (later, _) in pairwise(groups)):
        for epoch, group in groups:
            for i, row in enumerate(group):
                row.places["epoch"] = epoch + i


def _open_epochs(rows: Sequence[_Row]) -> None:
    """Give the steps of an epoch its number where the line that names it closes it.

    That is so where the first steps come before any epoch, and start again only after a line that names one.
    """
    stepped = [row for row in rows if "step" in row.own and "epoch" not in row.own]
    if not stepped or "epoch" in stepped[0].places or not _restart_when_closed(rows):
        return
    epoch = max((row.places["epoch"] for row in rows if "epoch" in row.own), default=0.0) + 1  # left open at the end
    for row in reversed(rows):
        if "epoch" in row.own:
            epoch = row.places["epoch"]
        elif "step" in row.own:
            row.places["epoch"] = epoch


def _restart_when_closed(rows: Sequence[_Row]) -> bool:
    """Whether epochs are named, and no step goes back without a line that names one before it."""
    last, closed = -1.0, False
    for row in rows:
        if "epoch" in row.own:
            last, closed = -1.0, True
        elif "step" in row.own:
            if row.places["step"] <= last:
                return False
            last = row.places["step"]
    return closed


_EPOCH_MEAN = "_epoch"
_FEW_ENDS = 2  # epochs whose end is known, by which those of others are


def _name_epoch_means(rows: Sequence[_Row]) -> None:
    """Tell the mean that closes an epoch ("Epoch 3, loss: 0.5") from the values of its steps by an ending."""
    per_step = {name for row in rows if "step" in row.own for name in row.values}
    for row in rows:
        if "step" not in row.own and "epoch" in row.own:
            row.values = {name + _EPOCH_MEAN if name in per_step else name: v for name, v in row.values.items()}


def _number_silent_epochs(rows: Sequence[_Row]) -> None:
    """Give rows that name no place the epochs that no other line names: a test after each, of which few are printed.

    That is so where as many of one kind follow one another as there are epochs to the next that is named.
    """
    loose: dict[tuple[str, ...], list[_Row]] = defaultdict(list)
    for row in rows:
        if not row.own:
            loose[tuple(row.values)].append(row)
    for tests in loose.values():
        groups = [
            (epoch, list(group)) for epoch, group in groupby(tests, key=lambda row: row.places.get("epoch", -1.0))
        ]
        steps = [later - epoch for (epoch, _), (later, _) in pairwise(groups)]
        if groups[0][0] < 0 or any(len(group) != step for (_, group), step in zip(groups, steps, strict=False)):
            continue
        for epoch, group in groups:
            for i, row in enumerate(group):
                row.places["epoch"] = epoch + i


def _place_by_epoch(rows: Sequence[_Row]) -> None:
    """Put rows that name an epoch, and stand at the step of an earlier one, where that epoch ends.

    Validation after every epoch is thus not lost where the training prints in every second one only.
    """
    ends: dict[float, float] = {}
    for row in rows:
        if "step" in row.own and {"epoch", "step"} <= row.places.keys():
            ends[row.places["epoch"]] = max(row.places["step"], ends.get(row.places["epoch"], row.places["step"]))
    epochs, steps = list(ends), list(ends.values())
    rising = all(a < b for a, b in pairwise(epochs)) and all(a < b for a, b in pairwise(steps))
    if len(epochs) < _FEW_ENDS or not rising:
        return
    for row in rows:
        epoch = row.places.get("epoch")
        if "step" not in row.own and epoch is not None and epoch not in ends:
            row.places["step"] = max(row.places.get("step", 0.0), _between(epoch, epochs, steps))


def _between(epoch: float, epochs: Sequence[float], steps: Sequence[float]) -> float:
    """The step at which an epoch ends, by the ends of those around it, on the line through the nearest two."""
    after = min(max(bisect_left(epochs, epoch), 1), len(epochs) - 1)
    rate = (steps[after] - steps[after - 1]) / (epochs[after] - epochs[after - 1])
    return steps[after] + (epoch - epochs[after]) * rate


def _count_through(rows: Sequence[_Row]) -> None:
    """Make the step count through where it restarts with every epoch: epochs before x steps per epoch + step.

    The steps per epoch are those the log prints, else the largest step seen. Where there is one step per epoch only,
    the epoch is the axis. A row that names no step stands at the last one.
    """
    placed = [(row.places["epoch"], row.places["step"]) for row in rows if {"epoch", "step"} <= row.places.keys()]
    stepped = [(row.places["epoch"], row.places["step"]) for row in rows if "step" in row.own and "epoch" in row.places]
    if not any(later[0] > former[0] and later[1] <= former[1] for former, later in pairwise(stepped)):
        return
    if len({epoch for epoch, _ in stepped}) == len(stepped):
        for row in rows:
            row.places.pop("step", None)
        return
    steps = [step for _, step in stepped]
    first = 0.0 if min(epoch for epoch, _ in placed) == 0 else 1.0
    length = max(max(steps), max((row.total for row in rows if row.total is not None), default=0.0))
    if min(steps) == 0 and length == max(steps):
        length += min((b - a for a, b in pairwise(sorted(set(steps)))), default=1.0)  # steps 0 ... n - 1
    at_epoch, at = first, 0.0
    for row in rows:
        epoch = row.places.get("epoch", first)
        if "step" in row.own:
            at = (epoch - first) * length + row.places["step"]
        elif epoch != at_epoch:
            at = (epoch - first) * length
        at_epoch = epoch
        row.places["step"] = at
