"""One line of a console log: where in the training it stands, and the `name: number` pairs it holds.

A line is walked number by number. The words between two numbers name the second one; what they cannot name (a clock, a
version, "saved 3 files") is left out. Everything is linear in the length of the line.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache

from diagnose.names import roles
from diagnose.names.roles import is_metric_name
from diagnose.readers.tables.names import printable

UNNAMED = "unnamed"
"""What a number is called that is all that a line says."""

LONGEST_LINE = 20_000  # characters; a longer line is data, not a message
_LONGEST_LABEL = 160  # characters between two numbers that are looked at
_LONGEST_NAME = 60
_WORDS = 3  # "best test accuracy 0.8"; more words need a colon or an equals sign to be a name
_WORDS_WITH_SIGN = 10  # "Accuracy of the network on the 10000 test images: 53 %"

_TOKEN = re.compile(
    r"""(?=[-+.\dni])(?<![\w.@])(?<![A-Za-z]-)(?:
      (?P<skip>                                      # a date, a clock, a version or an address
        \d{4}-\d\d-\d\dT\d\d:[\d:.,]*\d(?:Z|[-+]\d\d:?\d\d)?(?!\w)
       |\d{2,4}[-/]\d{1,2}[-/]\d{1,4}(?![\w.])
       |\d{1,3}:\d\d(?::\d\d)?(?:[.,]\d+)?(?!\w)
       |\d+(?:\.\d+){2,}\w*
      )
     |(?P<number>
        [-+]?(?:(?:\d{1,3}(?:,\d{3}){1,8}(?!\d|,\d)|\d+)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?
       |[-+]?(?:nan|inf(?:inity)?)(?:(?!\w)|(?=m?s\b))  # "nanms" is a duration
      )
      (?:(?P<percent>\s?%)|(?P<unit>[A-Za-zµ_][\w/]*)|(?:\s*/\s*|\s+(?:of|von|de|di|sur|из|van)\s+)(?P<total>\d+)(?![\w.]))?
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_FULL_WIDTH = str.maketrans({"\uff1a": ": ", "\uff0c": ", ", "\uff1b": "; ", "\uff08": "(", "\uff09": ")"})
_ORDINAL = re.compile(r"第\s*(\d+)\s*[轮輪]")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SPLIT_WORD = rf"(?:{'|'.join(roles.SPLIT_WORDS)})"
_SPLIT = re.compile(rf"\W{{0,20}}({_SPLIT_WORD})(?![A-Za-z_])", re.IGNORECASE)
_ON_SPLIT = re.compile(rf"\bon (?:the )?({_SPLIT_WORD})(?: set| data| dataset)?\s*\Z", re.IGNORECASE)
_SPLIT_OF = re.compile(rf"\b({_SPLIT_WORD})=(?=[A-Za-z])", re.IGNORECASE)
_SPLIT_AND_JOINT = re.compile(rf"({_SPLIT_WORD})([ _/.-]{{1,2}})(?=\w)", re.IGNORECASE)
_TWO_VALUES = r"\W{1,3}([-+]?\d[\d.eE+-]{0,24}%?)\s?[/|,]\s?([-+]?\d[\d.eE+-]{0,24}%?)"
_TWO_SPLITS = re.compile(  # "train/val loss: 0.5/0.6"
    rf"({_SPLIT_WORD})\s?/\s?({_SPLIT_WORD})[ _]([A-Za-z]\w{{0,30}}){_TWO_VALUES}", re.IGNORECASE
)
_TWO_SPLITS_AFTER = re.compile(  # "loss (train/val): 0.5/0.6"
    rf"([A-Za-z]\w{{0,30}})\s?[(\[]({_SPLIT_WORD})\s?/\s?({_SPLIT_WORD})[)\]]{_TWO_VALUES}", re.IGNORECASE
)
_TWO_SPLITS_BEHIND = re.compile(  # "loss: 0.5 (train) 0.6 (val)"
    r"([A-Za-z]\w{0,30})\W{1,3}([-+]?\d[\d.eE+-]{0,24}%?)\s?[(\[]"
    rf"({_SPLIT_WORD})[)\]][ ,/|]{{1,3}}([-+]?\d[\d.eE+-]{{0,24}}%?)\s?[(\[]({_SPLIT_WORD})[)\]]",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(rf"[(\[]{_SPLIT_WORD}[)\]]", re.IGNORECASE)
_STROKE_SPLIT = re.compile(rf"/\s?{_SPLIT_WORD}", re.IGNORECASE)
_HEADING = re.compile(
    rf"\W{{0,20}}(?:(?:start\w*|begin\w*|run\w*|now|do\w*)[ _])?({_SPLIT_WORD})"
    r"(?:[ :]{1,2}(?:phase|results?|set|metrics|epoch|error|stats|summary|performance|in|on|the|mode|data|dataset|model"
    rf"|network|started|begins?|now|dev|test|{_SPLIT_WORD})){{0,4}}\W{{0,20}}"
    rf"|\W{{0,20}}({_SPLIT_WORD})(?: [a-z]{{1,20}}){{1,2}}:\s*",  # "Validation measures:"
    re.IGNORECASE,
)

_BEFORE_AXIS = (
    r"(?:(?:start\w*|begin\w*|current|finished|completed|end of|running|processing|global|"
    + _SPLIT_WORD
    + r")[ _]+(?:@ ?)?)*"
)
_AFTER_AXIS = r"(?:[ _]?(?:number|num|no|idx|index|id))?"
_EPOCHS_ABROAD = "epoche|époque|epoque|época|epoca|эпоха"
_EPOCH = re.compile(rf"{_BEFORE_AXIS}(?:epoch|ep|{_EPOCHS_ABROAD}){_AFTER_AXIS}", re.IGNORECASE)
_STEP = re.compile(
    rf"{_BEFORE_AXIS}(?:step|iters?|iteration|itr|it|(?:mini-?)?batch|update|num_updates|niter|episode|round"
    rf"|(?:total_|num_)?timesteps?)(?:[ _]step)?{_AFTER_AXIS}",
    re.IGNORECASE,
)

_NAMED_EPOCH = re.compile(r"([\w.+-]+(?: [\w.+-]+)?) epoch", re.IGNORECASE)  # "resnet18 Epoch 3: loss 0.5"
_NO_MODEL = re.compile(
    r"\b(?:best|last|max\w*|min\w*|total|num\w*|stop\w*|warm\w*|per|each|every|save\w*|restor\w*)\b", re.IGNORECASE
)

_QUOTED_KEY = re.compile(r"""["']([^"']{1,100})["']\s*:\s*["']?\Z""")
_OPENED = re.compile(r"([A-Za-z]\w{0,30})[\s:=]{0,3}\{\Z")
_CALL = re.compile(r"(?:(?:np|numpy|torch)\.)?(?:tensor|array|float\d*)\(\[?\Z")
_ASIDE = re.compile(r"\(([A-Za-z][A-Za-z_ ]{1,30})\)\Z")
_FUNCTION = re.compile(r"(?<![\w(])([A-Za-z_]\w{0,20}\([\w(]{1,20}\)+)\Z")  # GAN logs: D(G(z))
_AXIS_OF = re.compile(rf"\b(epoch|iter)\s?\(({_SPLIT_WORD})\)\Z", re.IGNORECASE)
_SEPARATORS = " \t:=<>~-\"'([#"  # what may stand between a name and its number
_SEGMENT = re.compile(
    r"[|,;\t{}\"\[\]()<>*:\u00b7\u2022]|'(?!s )|(?:^|\s)[-/\\]+(?=\s)|--+|==+"
)  # LightGBM: training's auc: 0.9
_DRAWN = re.compile(r"\A[^\w(@]+|[^\w)%]+\Z")  # an emoji or arrow before or behind a name
_BOUNDARY = re.compile(r"[|;\u00b7\u2022]|(?:^|\s)[-/\\]+\s")
_LEVEL_WORDS = ("INFO", "DEBUG", "WARN", "ERROR", "NOTICE", "CRITICAL")
_UP_TO_LEVEL = re.compile(rf".*\b(?:{'|'.join(_LEVEL_WORDS)}|WARNING)\b", re.DOTALL)  # of several the last
_SETTINGS = re.compile(r".*=[^\s=]+\s+(?=[^=]*\Z)")  # what stands before: "level=info msg=train epoch"
_REMARK = re.compile(rf"(?<=\w) ?\((?!{_SPLIT_WORD}\b)[A-Za-z][A-Za-z ]{{2,30}}\)(?=\s+[A-Za-z])", re.IGNORECASE)
_AND = re.compile(r"\A(?:and|at|in|of)\s+(?=\w)", re.IGNORECASE)  # "at epoch 3 and iteration 500"
_LINKING = re.compile(r"(?:\s+(?:so far|is|was|of|at|now))+\Z", re.IGNORECASE)
_MEASURED_AT = re.compile(r"(.*\w)\s+(?:at|after|for|in)\s+(?:the\s+)?(epoch|step|iter|iteration|batch)", re.IGNORECASE)
_ROUNDED = 1.0  # percent by which a percentage may differ from the counts it was made of
_COUNTED = frozenset({"epoch", "epochs"})  # units of a number that says where the line stands: "20epoch results"
_NAME = re.compile(r"[^\W\d][\w@./%+^&()'\- ]*")
_NO_NAME = re.compile(
    r"(?:^|\s)(?:in|to|from|for|than|after|by|with|and|or|the|a|an|on|until|number|line|took|saved?|eta|pid|port|seed"
    r"|dataloader|v_num|cuda|gpu|rank)\Z|://|\.(?:py|cpp|cc|cu|c|h|lua|json|ya?ml|txt|pth?|ckpt|h5|png|jpe?g)\Z",
    re.IGNORECASE,
)
_LINKS = frozenset({"", "is", "was", "of"})
_CODE_WORDS = frozenset({"return", "returns", "assert"})

TQDM = re.compile(r"\d{1,3}%\|[^|\n]{0,500}\|?|(?<!\S)\d+it(?= ?\[)")
_KERAS = re.compile(r"\s*\d+/(?:\d+|Unknown)\s+(?:\[[=>.]|[\u2500-\u257f\u2588])")
_KERAS_BAR = re.compile(r"\[[=>.]+\]?|[\u2500-\u257f]+")
_DOTS = re.compile(r"(?<=\d)\.{2,}(?=\s|\Z)")  # "Epoch: 1/5.. Training Loss: 0.5.. "
_ESTIMATOR = re.compile(r".*?\bSaving dict for global step (\d+): (.*)")  # TensorFlow's Estimator evaluates
_SHORT_EPOCH = re.compile(r"\A(\W{0,3})[Ee][Pp]?(?=\d{1,5}(?:[\s|:,;\])/-]))(?!\d{4} \d\d:)")  # "E12 | loss 0.5"
_JULIA = re.compile(r"(?<=\d)f(?=[-+]?\d)")  # 0.53f0, as Julia prints 32 bits
_TUPLE = re.compile(r"\s*\(u?['\"].*\)\s*\Z")  # ('Epoch : ', 0, 'loss', 0.53), as Python 2 prints
_STRING = re.compile(r"['\"]([^'\",]*)['\"],")
_UNICODE = re.compile(r"\bu(?=['\"])")
_COCO = re.compile(  # pycocotools' COCOeval.summarize
    r"\s*Average (?:Precision|Recall)\s+\((A[PR])\) @\[ IoU=([\d.:]+)\s*"
    r"\| area=\s*(\w+) \| maxDets=\s*(\d+) \] = (\d\.\d+)"
)
_DARKNET = re.compile(r"\s*(\d+): (\S+), (\S+) avg(?: loss)?, (\S+) rate,.*")


@dataclass(slots=True)
class Line:
    """What one line says.

    places: where it stands: `epoch`, `step`, or `count` for a counter without a name.
    totals: of how many, where the line says so.
    values: name -> (number, whether it carried a `%` sign).
    averages: name -> running average that follows the number in parentheses.
    split: the split that heads the line ("Validate: ..."), as spelled there; "" where none does.
    bar: True for a state of a progress bar; its counter is then `places["count"]`.
    follows: True where a star heads the values, which then sum up the lines before ("* Acc@1 76.1").
    number: which line of the file it is, from 1; 0 where nobody has counted.
    under: the split of the heading right above a line that says itself where it stands; "" where there is none.
    """

    places: dict[str, float] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    values: dict[str, tuple[float, bool]] = field(default_factory=dict)
    averages: dict[str, float] = field(default_factory=dict)
    split: str = ""
    bar: bool = False
    follows: bool = False
    number: int = 0
    under: str = ""

    @property
    def held_out(self) -> bool:
        """True where the split that heads the line is not the training set."""
        return is_held_out(self.split)


def is_held_out(split: str) -> bool:
    """True for a split, as a line spells it, that is not the training set."""
    return bool(split) and roles.SPLITS.get(split.casefold()) != "train"


def heading(text: str) -> str:
    """The split that a line without numbers announces for the lines below it ("Validation:"); "" where it does not."""
    if len(text) > _LONGEST_LABEL:
        return ""
    text = _behind_level(text)
    found = _HEADING.fullmatch(text) if len(text) <= _LONGEST_NAME else None
    return (found[1] or found[2]) if found else ""


def _behind_level(text: str) -> str:
    """What follows the level of a message, of several the last; the whole text where there is none."""
    if not any(word in text for word in _LEVEL_WORDS):
        return text
    found = _UP_TO_LEVEL.match(text)
    return text[found.end() :] if found else text


def parse_line(text: str, heading_split: str = "", split_before: str = "") -> Line | None:
    """Read one line; None where it holds nothing of use.

    heading_split: what a heading above announced; split_before: the split of the line before, for lines that follow it.
    """
    if len(text) > LONGEST_LINE or text.startswith("wandb:"):
        return None
    if not text.isascii():
        text = _ORDINAL.sub(r" epoch \1 ", text.translate(_FULL_WIDTH))
    text, bar = _without_bar(_ANSI.sub("", text) if "\x1b" in text else text)
    walk = _Walk(_one_by_one(_DOTS.sub(", ", text) if ".." in text else text))
    walk.run()
    split = walk.split or (split_before if walk.follows else "") or heading_split
    line = Line(walk.places, walk.totals, split=split, bar=bar, follows=walk.follows)
    _place(line, walk.counts, ahead=walk.counts_ahead)
    _name(line, walk.pairs, several=walk.several)
    return line if line.values or line.places else None


def _one_by_one(text: str) -> str:
    """The line with the values of two splits that share their name ("train/val loss: 0.5/0.6") named each."""
    if (text.count(")") > 1 or text.count("]") > 1) and len(_IN_BRACKETS.findall(text)) > 1:
        text = _TWO_SPLITS_BEHIND.sub(r"\3 \1: \2, \5 \1: \4", text)
    if "/" not in text or not _STROKE_SPLIT.search(text):
        return text
    text = _TWO_SPLITS.sub(r"\1 \3: \4, \2 \3: \5", text)
    return _TWO_SPLITS_AFTER.sub(r"\2 \1: \4, \3 \1: \5", text)


def _without_bar(text: str) -> tuple[str, bool]:
    """The line without the drawing of a progress bar, and whether there was one.

    Darknet's line, which puts the numbers before their names, is turned round, and that of COCO's evaluation shortened.
    Other habits of one program are spelled out too.
    """
    text = _SHORT_EPOCH.sub(r"\1epoch ", text)
    if _TUPLE.match(text):
        text = _STRING.sub(r"\1 ", _UNICODE.sub("", text.strip()[1:-1]))
    if "f" in text and _JULIA.search(text):
        text = _JULIA.sub("e", text)
    if "%|" in text or "it [" in text:
        text, bars = TQDM.subn(" ", text, count=1)
        return text, bars > 0
    if _KERAS.match(text):
        return _KERAS_BAR.sub(" ", text, count=1), True
    if "maxDets" in text and (coco := _COCO.fullmatch(text.rstrip())):
        return _coco_line(*coco.groups()), False
    if "Saving dict" in text and (saved := _ESTIMATOR.fullmatch(text)):
        return f"eval step {saved[1]}: {saved[2]}", False
    if " rate, " in text and (darknet := _DARKNET.fullmatch(text)):
        return "iteration {}: loss {}, avg loss {}, rate {}".format(*darknet.groups()), False
    return text, False


def _coco_line(quantity: str, thresholds: str, area: str, most: str, value: str) -> str:
    """A line of COCO's summary of twelve with a name: the area and the number of detections where they are special."""
    special = "" if area == "all" else f"_{area}"
    special += "" if quantity == "AP" else f"_{most}"
    return f"{{'val {quantity}{special} @{thresholds.replace(':', '_')}': {value}}}"


@dataclass(frozen=True, slots=True)
class _Label:
    """What the words before a number mean.

    kind: `name`, `epoch`, `step`, `count` (nothing, or only a split), `average` (an opening parenthesis) or `unclear`.
    name: the name, where there is one.
    split: the split that the words announce for the rest of the line.
    exact: the name is a quoted key, to be kept as it is.
    boundary: a `|`, `;` or ` - ` stands before the name.
    star: a star stands before the name.
    measured: what is named with the place where it was measured ("Cost after iteration"), for the number after that.
    adjoined: nothing stands between the name and its number but a colon, as in `train.py:417`.
    """

    kind: str
    name: str = ""
    split: str = ""
    exact: bool = False
    boundary: bool = False
    star: bool = False
    measured: str = ""
    adjoined: bool = False


@lru_cache(maxsize=8192)
def _label(text: str) -> _Label:
    """Read the words before a number."""
    if quoted := _QUOTED_KEY.search(text):
        ahead = text[: quoted.start()]
        return _Label(place_of(quoted[1]) or "name", _keyed(quoted[1], ahead), _split_of(ahead), exact=True)
    text = _REMARK.sub("", _CALL.sub("", text))  # "loss (for one batch) at step"
    bare = text.rstrip(_SEPARATORS + "|" if text.lstrip().startswith("|") else _SEPARATORS)
    if not bare.strip():
        return _Label("average" if text.strip() == "(" else "count")
    signed = any(sign in text[len(bare) :] for sign in ":=|")
    *before, last = _SEGMENT.split(bare)
    split = _split_of(*before)
    if inner := _AXIS_OF.search(bare):  # mmengine: Epoch(train) [1][50/154]
        return _Label(place_of(inner[1]), split=inner[2])
    name = _last_name(bare, last)
    boundary, star = bool(_BOUNDARY.search(bare)), "*" in bare
    if not name:
        return _Label("count" if split or not any(map(str.strip, before)) else "unclear", split=split)
    own = _SPLIT.match(name)
    if own and own.end() == len(name):
        return _Label("count", split=own[1])
    if place := place_of(name):
        return _Label(place, split=own[1] if own else split)
    if found := _MEASURED_AT.fullmatch(name):
        measured = "" if own and own.end() == len(found[1]) else found[1]  # "TRAIN in epoch 3"
        return _Label(place_of(found[2]), split=own[1] if own else split, measured=measured)
    if text.rstrip().endswith("#"):
        return _Label("unclear")  # caffe: "Train net output #0: loss = 0.5"
    kind, name = _checked_name(name, signed)
    return _Label(kind, name, split, boundary=boundary, star=star, adjoined=text[len(bare) :] == ":")


def _last_name(bare: str, last: str) -> str:
    """What stands right before the number, without the level of a message, links and drawings; last: its segment."""
    if function := _FUNCTION.search(bare):
        return function[1]
    last = _SPLIT_OF.sub(r"\1 ", _behind_level(last))  # "train=accuracy: 0.9"
    name = _LINKING.sub("", _SETTINGS.sub("", last).strip(" .#:=_")).strip()
    name = name if name.isascii() else _DRAWN.sub("", name)
    aside = None if name else _ASIDE.search(bare)  # "perda total (loss): 0.5"
    return aside[1] if aside and is_metric_name(aside[1]) else name


def _keyed(key: str, before: str) -> str:
    """The name of a value with a quoted key: with the metric before the braces (spaCy: `Losses {'ner': 172.9}`)."""
    opened = _OPENED.search(before)
    if opened is None or is_metric_name(key) or not is_metric_name(opened[1]):
        return key
    return f"{opened[1]} {key}"


def _split_of(*texts: str) -> str:
    """The split that heads the last of the segments of these texts which one heads; "" where none does."""
    segments = [segment for text in texts for segment in _SEGMENT.split(text)]
    splits = [found[1] for segment in segments if (found := _heads(_behind_level(segment)))]
    return splits[-1] if splits else ""


def _heads(segment: str) -> re.Match[str] | None:
    """The split that a segment begins with, or ends in as "performance on test set" does; None where it names none."""
    return _SPLIT.match(segment) or _ON_SPLIT.search(segment)


def place_of(name: str) -> str:
    """`epoch` or `step` where that is what the name says, else ""."""
    name = _AND.sub("", name if name.isascii() else roles.in_english(name).strip())
    return "epoch" if _EPOCH.fullmatch(name) else "step" if _STEP.fullmatch(name) else ""


def _checked_name(name: str, signed: bool) -> tuple[str, str]:
    """(`name`, the name) where the words can be one; of a sentence without a sign only its last words can."""
    parts = name.split()
    if len(parts) > (_WORDS_WITH_SIGN if signed else _WORDS):
        keep = 2 if _SPLIT.fullmatch(parts[-2]) else 1
        parts = parts[-keep:]
        if not is_metric_name(" ".join(parts)):
            return "unclear", ""
    name = " ".join(parts)
    fits = len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) and not _NO_NAME.search(name)
    fits = fits and (signed or parts[0].lower() not in _CODE_WORDS)
    return ("name", name) if fits else ("unclear", "")


def _metric_before_split(name: str) -> str:
    """The metric of a name that ends in a split ("LOSS train"); "" where it does not."""
    metric, _, split = name.rpartition(" ")
    return metric if split.casefold() in roles.SPLITS and is_metric_name(metric) else ""


def _names_model(name: str) -> bool:
    """Whether a name is that of a model or a run before the word epoch, and not of a certain epoch ("best epoch")."""
    found = _NAMED_EPOCH.fullmatch(name)
    return found is not None and not _NO_MODEL.search(found[1]) and not is_metric_name(found[1])


@dataclass(slots=True)
class _Pair:
    """A named value; `owner` is the split of a name before it ("Train " before "Acc" in "Train Loss: 1 Acc: 2").

    split: the split that was announced last, as in "[valid] loss=0.5".
    """

    name: str
    value: float
    percent: bool
    exact: bool
    owner: str
    near: bool
    split: str
    average: float | None = None


class _Walk:
    """One pass over the numbers of a line."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pairs: list[_Pair] = []
        self.counts: list[tuple[float, float | None]] = []
        self.counts_ahead = False  # whether the first of them stands before every other place
        self.places: dict[str, float] = {}
        self.totals: dict[str, float] = {}
        self.split = ""
        self.several = False
        self._section = ""
        self.follows = False
        self._owner = ""
        self._near = False
        self._may_average = False
        self._leads = True
        self._measured = ""
        self._in_passing: set[str] = set()  # places of a sentence such as "best model so far at epoch 3"

    def run(self) -> None:
        """Fill the fields."""
        start = 0
        for token in _TOKEN.finditer(self.text):
            at = token.start()
            _, number, _, unit, _ = token.groups()
            if self._leads and start == 0 and self.text[:at].strip(" \t[("):
                self._leads = False
            if number is not None and unit and unit.lower() in _COUNTED:
                self._take(_Label("epoch"), token)
            elif number is None or unit:
                self._may_average = self._leads = False
            else:
                label = _label(self.text[max(start, at - _LONGEST_LABEL) : at])
                if label.kind != "unclear":
                    self._take(label, token)
                elif any(map(str.isalpha, self.text[start:at])):
                    continue  # the words go on: "... the 10000 test images: 53 %"
            start = token.end()
        if not self.pairs:
            self.places = {kind: at for kind, at in self.places.items() if kind not in self._in_passing}

    def _take(self, label: _Label, token: re.Match[str]) -> None:
        _, number, percent, _, of = token.groups()
        value = float(number.replace(",", ""))
        total = float(of) if of else None
        label = self._named(label, token)
        if label.split:
            self._announce(label.split)
        if label.kind == "name":
            if not self._is_reference(label, number):
                self._pair(label, value, total, bool(percent))
            return
        if label.kind == "average" and self._may_average:
            self.pairs[-1].average = value
        elif label.kind == "count" or (label.kind == "average" and not self.pairs):  # "(3/20) loss: 0.5"
            if not self._is_ratio(value, total):
                self._count(value, total, headed=bool(label.split))
        elif label.kind != "average":
            self._stand(label, value, total)
        self._may_average = False

    def _stand(self, label: _Label, value: float, total: float | None) -> None:
        """A place with its name: where the line stands, or in passing where something else did."""
        if not (value.is_integer() or (label.kind == "epoch" and value == value)):
            return
        self.places.setdefault(label.kind, value)
        if label.measured and _NO_MODEL.search(label.measured):
            self._in_passing.add(label.kind)
        if total is not None:
            self.totals.setdefault(label.kind, total)

    def _named(self, label: _Label, token: re.Match[str]) -> _Label:
        """The label with the name before the place ("Cost after iteration 100: 0.5"), or with that of a split.

        A split alone names a value where the number is no count: "Train: 0.91", of the metric that stands before the
        split before it ("LOSS train 0.5 valid 0.6"). What is named before the epoch that heads a line is the model.
        """
        if label.kind == "count" and self._is_all(token):
            return replace(label, kind="name", name=UNNAMED)
        measured = self._measured
        self._measured = label.measured or (measured if label.kind in ("epoch", "step") else "")
        if measured and (label.kind == "count" or (label.kind == "name" and label.name in _LINKS)):
            return replace(label, kind="name", name=measured)
        if label.kind == "count" and label.split and (token["percent"] or not token["number"].isdecimal()):
            shared = _metric_before_split(self.pairs[-1].name) if self.pairs else ""
            if shared:
                return replace(label, kind="name", name=f"{shared} {label.split}", split="", exact=True)
            heads = not self.pairs or self.several  # else it names this value alone: "loss=0.5 val=0.6"
            return replace(label, kind="name", name=label.split, split=label.split if heads else "", exact=True)
        if label.kind == "name" and not (self.pairs or self.places) and _names_model(label.name):
            return replace(label, kind="epoch", name="")
        return label

    def _is_all(self, token: re.Match[str]) -> bool:
        """Whether a number is all that a line says of a place ("epoch 3, batch 20: 0.53")."""
        alone = bool(self.places) and not (self.pairs or self._measured or token["number"].isdecimal())
        return alone and self.text[: token.start()].rstrip().endswith(":") and not self.text[token.end() :].strip()

    def _announce(self, split: str) -> None:
        """What follows was measured on this split; a line of several sections has no head."""
        self._section, self._owner = split, ""
        self.several = self.several or (bool(self.pairs) and self.split.lower() not in ("", split.lower()))
        self.split = "" if self.several else split

    def _is_reference(self, label: _Label, number: str) -> bool:
        """Whether a leading `train.py:417` is a line of a program and no value."""
        leads = not self.pairs and not self.places
        program = label.adjoined and len(label.name) > 1  # "s:100" is no line of one
        return leads and program and number.isdecimal() and not is_metric_name(label.name)

    def _is_ratio(self, value: float, total: float | None) -> bool:
        """Whether two counts are what the percentage before them was made of: `24.24%, (597769/2466093)`."""
        if not self.pairs or not total or not self.pairs[-1].percent:
            return False
        return abs(self.pairs[-1].value - 100 * value / total) <= _ROUNDED

    def _count(self, value: float, total: float | None, *, headed: bool) -> None:
        """A counter without a name: it says how many there are, or is all that stands before the values."""
        leads = self._leads and not self.pairs and not self.places
        if value.is_integer() and value >= 0 and (total is not None or headed or leads):
            self.counts_ahead = self.counts_ahead or not (self.places or self.counts)
            self.counts.append((value, total))

    def _pair(self, label: _Label, value: float, total: float | None, percent: bool) -> None:
        self._may_average = total is None
        if total is not None:  # "Accuracy: 9837/10000 (98%)" is a ratio, "Files: 3/10" is not
            if not is_metric_name(label.name):
                return
            value = value / total if total else float("nan")
        self.follows = self.follows or (label.star and not self.pairs)
        own = "" if label.exact else _joined_split(label.name)
        if own:
            self._owner, self._near = own, True
        elif label.boundary:
            self._near = False
        owner = "" if own or label.exact else self._owner
        exact = label.exact or bool(own)
        self.pairs.append(_Pair(label.name, value, percent, exact, owner, self._near, self._section))


def _place(line: Line, counts: list[tuple[float, float | None]], *, ahead: bool) -> None:
    """Say what the counters without a name count: in "[1/5][20/300]" epochs, then steps; one alone stays a `count`.

    ahead: the first stands before a step that has a name ("[1/5] batch 20"), and counts epochs unless it is that step.
    """
    step = line.places.get("step")
    if ahead and step is not None and "epoch" not in line.places and counts[0][1] and counts[0][0] != step:
        _set(line, "epoch", counts.pop(0))
    if len(counts) > 1 and "epoch" not in line.places:
        _set(line, "epoch", counts.pop(0))
    if not counts:
        return
    if line.bar:
        _set(line, "count", next((count for count in reversed(counts) if count[1] is not None), counts[-1]))
    elif "epoch" not in line.places:
        if "step" not in line.places:
            _set(line, "count", counts[0])
    elif "step" not in line.places:
        _set(line, "step", counts[0])


def _set(line: Line, kind: str, count: tuple[float, float | None]) -> None:
    line.places[kind] = count[0]
    if count[1] is not None:
        line.totals[kind] = count[1]


@lru_cache(maxsize=1024)
def _joined_split(name: str) -> str:
    """The split at the head of a name and what joins it to the rest ("Train " of "Train Acc"); "" where none is."""
    found = _SPLIT_AND_JOINT.match(name)
    return found[0] if found else ""


def _takes_split(pair: _Pair) -> bool:
    """Whether what heads a line says the split of a value: it does of a key only that names none itself."""
    facets = roles.parse(pair.name)
    return facets.quantity != "learning_rate" and not (pair.exact and (facets.split or not facets.is_metric))


def _of_one_split(pairs: list[_Pair]) -> bool:
    """Whether a line tells of one split, which its first metric names, and of each quantity but once.

    "Validation loss: 0.5 | acc: 0.9" does; "val_loss: 0.5 | loss: 0.4" does not.
    """
    facets = [found for found in (roles.parse(pair.name) for pair in pairs) if found.is_metric]
    splits, quantities = {found.split for found in facets} - {""}, {found.quantity for found in facets}
    return len(splits) == 1 and bool(facets[0].split) and len(quantities) == len(facets)


def _name(line: Line, pairs: list[_Pair], *, several: bool) -> None:
    """Give every value its full name.

    A bare "Acc" takes the split of the name before it where both stand in one segment of the line, or where the line
    has two of them, unless the line has that name as well ("val_loss: 1, acc: 2, val_acc: 3"). What a validation line
    holds takes the split that heads the line, or its section. Of a running average and the last batch, a validation
    line is worth its average.

    several: the line has a section for each of several splits.
    """
    owned_some = any(pair.owner for pair in pairs)
    whole = owned_some and _of_one_split(pairs)
    names = Counter(pair.name for pair in pairs) if owned_some else Counter()
    spelled = {pair.name.casefold() for pair in pairs} if owned_some else set()
    copies: dict[str, int] = {}  # name -> the last number behind it
    for pair in pairs:
        name = pair.name
        section = pair.split if several else line.split
        shares = pair.owner and (pair.near or names[name] > 1 or whole) and is_metric_name(name)
        if shares and (pair.owner + name).casefold() not in spelled:
            name = pair.owner + name
        elif is_held_out(section) and _takes_split(pair):
            name = f"{section} {name}"
        name = free = printable(name)
        while free in line.values:
            copies[name] = copies.get(name, 1) + 1
            free = f"{name} ({copies[name]})"
        if pair.average is not None and line.held_out:
            pair.value = pair.average
        elif pair.average is not None and is_metric_name(name):
            line.averages[f"{free}_avg"] = pair.average
        line.values[free] = (pair.value, pair.percent)
