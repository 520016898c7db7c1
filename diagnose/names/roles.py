"""What the names in a log mean: the one place that knows that `eval_loss`, `valid/loss` and `DEV_LOSS` are one thing.

A column name is read into facets (`parse`): which split it was measured on, what quantity it is, over what it was
aggregated, and whether it is a part of something larger. Whoever has columns reads their names once (`named`) and hands
the facets on. `assign` then picks the best column for every canonical name that the rules ask for; `remarks` puts into
words what it had to decide.

Everything here works on names; all that is asked about the values is where they stand (`ColumnFacts`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from diagnose.errors import nearest
from diagnose.names.sets import sets_of

ROLES = (
    "train_loss",
    "val_loss",
    "train_accuracy",
    "val_accuracy",
    "learning_rate",
    "grad_norm",
    "reward",
    "val_reward",
    "train_loss_step",
    "throughput",
    "discriminator_loss",
    "dead_units",
    "diversity",
    "focus",
)
"""Canonical names of curves. `train_loss_step` is the finer companion of a `train_loss` that is an epoch's mean;
`discriminator_loss` marks the log of networks that play against each other; `dead_units` is the share of units that
answer nothing to any input; `diversity` says how different the samples of a generator are; `focus` is the share of the
relevance of a class that lies on its own images, mosaic by mosaic, and is named by a format alone."""

MAIN_ROLES = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "reward", "val_reward", "focus")
"""The roles of which a log must have one to be judged at all."""

AXES = ("epoch", "step")
"""Canonical names of x axes; they may be overridden like roles."""

METRICS = frozenset({"loss", "accuracy", "reward"})
"""Quantities that say how good a model is."""

COUNTERS = frozenset({"epoch", "step", "index"})
"""Quantities that say where in a training a row stands."""

FEW_POINTS = 5
"""Points below which a column plays a role only where no longer one can; fewer are no curve."""


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What `assign` wants to know about a column's values.

    points: number of logged cells.
    constant: all of them are the same finite number.
    apart: its cells stand in other rows than those of every training loss, as those of an evaluation do.
    """

    points: int
    constant: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Facets:
    """The meaning of one column name.

    split: `train`, `val`, `test`, or "" where the name does not say.
    quantity: `loss`, `accuracy` (any score that grows to 1), `reward`, `learning_rate`, `grad_norm`, `throughput`,
        `dead_units`, `diversity`, `time`, `epoch`, `step`, `index`, or "" where unknown.
    kind: what exactly it is within the quantity, such as `mse` or `map`.
    preference: how main the kind is within its quantity; 0 is the most main.
    span: `epoch` or `step` where the name says over what it was averaged, `ema`, or "".
    extreme: it is a minimum, a spread, a coefficient ...: about the quantity, and not its curve.
    averaged: the name says that it is a mean.
    parts: what is left of the name beside the quantity: which part of the loss, which class, which evaluation set.
    groups: what is left of the folders the name stands in.
    distant: the quantity is named by a folder only, as in `losses/approx_kl`.
    words: all words of the name, folders included; see `words`.
    """

    split: str = ""
    quantity: str = ""
    kind: str = ""
    preference: int = 0
    span: str = ""
    extreme: bool = False
    averaged: bool = False
    parts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    distant: bool = False
    words: tuple[str, ...] = ()

    @property
    def total(self) -> bool:
        """True where nothing in the name says that it is a part of something."""
        return not self.parts and not self.distant

    @property
    def is_metric(self) -> bool:
        """True for a loss, an accuracy or another measure of quality, and not what is about one."""
        return self.quantity in METRICS and not self.extreme

    @property
    def counts(self) -> bool:
        """True for the name of an x axis."""
        return self.quantity in COUNTERS

    @property
    def ends_in_counter(self) -> bool:
        """True where the last word is that of an x axis, whatever it is of: `val_steps`."""
        return bool(self.words) and (self.words[-1] in _EPOCHS or self.words[-1] in _STEPS)

    @property
    def only_split(self) -> str:
        """The split, where the name says nothing else; else ""."""
        return self.split if not (self.quantity or self.parts or self.groups) else ""


# --- words ------------------------------------------------------------------------------------------------------------


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _table(**groups: str) -> dict[str, str]:
    return {word: meaning for meaning, words in groups.items() for word in words.split()}


SPLITS = _table(
    train="train training trained trn tr insample learn",
    val="val va valid validation validate validating eval evaluation evaluate evaluating dev development vl vld "
    "holdout heldout",
    test="test testing tst te unseen",
)
"""Word -> split."""
SPLIT_WORDS = tuple(sorted((w for w in SPLITS if w not in _set("tr trn te tst va vl vld")), key=len, reverse=True))
"""The words for a split that are long enough to be trusted in a sentence, the longest first."""
_SPANS = _table(
    epoch="epoch epochs",
    step="step steps batch batches iter iters iteration iterations minibatch running current curr cur tick local "
    "validate validating",  # the line of a progress bar; the mean that follows is called validation
    ema="ema smooth smoothed moving filtered",
)
_EXTREMES = _set(
    "min max minimum maximum best lowest highest std stddev var variance stderr sem sd median final coef coeff "
    "coefficient scale scaler scaling weight weights weighting ratio improvement delta diff gap patience count num "
    "improved decreased increased counter threshold target baseline lambda alpha beta chosen rejected margin margins "
    "time times seconds duration accum accumulation"
)
_MEANS = _set("mean avg average averaged")
_FILLERS = _MEANS | _set(
    "total overall sum main model metrics metric performance perf stats scalars charts chart curves history results "
    "log logs losses global all full per by vs of the on at in set data dataset split phase percent pct percentage raw "
    "net network nn trainer rank score scores macro micro weighted rate episode episodes episodic ep rollout env "
    "classification result report summary per unit objective s"
)
_MINOR_LOSSES = _set(
    "policy pi actor entropy ent kl reg regularization regularizer regularisation aux auxiliary penalty gp l1 l2 decay "
    "clipfrac clip explained fraction temperature temp adversarial adv alpha unscaled"
)
"""Parts of a loss that need not fall in a healthy run."""
_POLICY = _set("policy pi actor")
_VALUE = _set("value vf critic")
LOSS_PARTS = (
    _MINOR_LOSSES
    | _POLICY
    | _VALUE
    | _set(
        "nll vlb box bbox cls clf obj objectness dfl giou iou rpn mask seg segmentation kpt keypoint class "
        "classification conf loc localization offset wh hm heatmap ce bce focal dice mse mae l recon rec "
        "reconstruction perceptual lpips vgg style content g d gan gen generator disc discriminator feat feature fm "
        "commit vq codebook quant latent router load balance z consistency contrastive distill distillation kd "
        "teacher student triplet center mlm nsp mtp ctc att attn attention depth pose trans rot translation "
        "rotation velocity energy force forces stress virial bc ic pde data physics residual smooth smoothness edge "
        "sparsity orth kld divergence prior var log x y"
    )
)
"""Words of a part of a loss, or of one of several outputs."""
_DISCRIMINATORS = _set("disc discriminator dis netd d")
"""What the network is called that tells real from generated; `d` counts beside a loss of `g` only."""
_PROBES = _set("knn probe probing")
"""What is fitted to the features of a network to see how good they are; it is asked on held-out data."""
_NUMBERED = _set("task fold domain dataset set session class client idx loader dataloader head exp experience")
"""What is counted by the number behind it."""
_GENERATED = _set("fake generated synthetic agent adversarial attack")
"""Accuracy on what a model made says less than accuracy on data."""

_LOSS_KINDS = _table(
    cross_entropy="crossentropy xent nll ce bce nlll logloss multiclass multiclassonevsall",
    perplexity="perplexity ppl bpc bpb bpt",
    mse="mse",
    rmse="rmse",
    mae="mae",
    mape="mape smape",
    loss="cost",
    error="error err energy wer cer eer ter",
)
_LOSS_PREFERENCE = {
    "cross_entropy": 1,
    "perplexity": 3,
    "mse": 2,
    "rmse": 3,
    "mae": 3,
    "mape": 5,
    "loss": 6,
    "error": 6,
    "term": 7,
}
_TERMS = _set(
    "gan l1 l2 smoothl1 huber recon reconstruction cycle cyc idt elbo nelbo likelihood loglikelihood box obj cls dfl"
)
"""Terms that are printed without the word loss: `G_L1: 17.8`, `recon 93.1`."""
_TERM_PARTS = _set(
    "g d a b real fake netg netd gen disc generator discriminator kl kld identity hinge adv feat neg negative log"
)
"""What may stand beside a term, or beside a network that is told from its opponent: `G_A`, `D_real`."""
_MAXIMISED = _set("elbo likelihood loglikelihood")
_NEGATED = _set("neg negative minus nll loss")
_OPPONENTS = _set("g d netg netd gen disc generator discriminator")
_ACCURACY_KINDS = _table(
    accuracy="accuracy accuracies acc accs aacc bacc macc oacc wacc top",
    map="map ap",
    iou="iou miou jaccard ious",
    dice="dice dsc",
    f1="f1 fscore fmeasure",
    auc="auc auroc rocauc aucroc auprc aucpr roc",
    agreement="kappa mcc qwk",
    match="em success winrate",
    correlation="r2 pearson spearman spearmanr pearsonr correlation corr plcc srcc pcc rho",
    text="bleu rouge meteor cider rougel chrf",
    ranking="ndcg mrr hits hit mrr",
    recall="recall sensitivity specificity tpr tnr",
    precision="precision prec",
    similarity="ssim",
)
_ACCURACY_PREFERENCE = {
    "accuracy": 0,
    "map": 0,
    "iou": 1,
    "dice": 1,
    "f1": 2,
    "auc": 2,
    "agreement": 3,
    "match": 3,
    "correlation": 4,
    "text": 4,
    "ranking": 4,
    "recall": 5,
    "precision": 5,
    "probe": 5,
    "similarity": 6,
    "score": 7,
}
_REWARDS = _set(
    "utility fitness reward rewards rew return returns epreward eprew eprewmean epret averageepret avgepret"
)
_TIMES = _set("time runtime times timestamp elapsed duration seconds secs sec ms minutes hours eta walltime latency")
_SECONDS = _set("sec second seconds s")
_EPOCHS = _set("epoch epochs")
_STEPS = _set("step steps iter iters iteration iterations it update updates timestep timesteps batch batches")
_INDICES = _set("index idx unnamed row rows round generation")
_AXIS_FILLERS = _set("global current num n train training trainer total number no nr id the of i so far")
_AXIS_FOLDERS = _AXIS_FILLERS | _set("time rollout charts chart progress counters counter info general misc")
_DECOMPOSABLE = tuple(
    sorted(
        {*SPLITS, "loss", "losses", "acc", "accuracy", "avg", "mean", "total", "best", "max", "min", "running"}
        | {"epoch", "epochs", "step", "steps", "batch", "iter", "iteration", "top", "map", "iou", "miou", "auc", "dice"}
        | {"learning", "rate", "grad", "gradient", "norm", "reward", "global", "time", "num", "mse", "mae", "rmse"}
        | {"error", "perplexity", "ppl", "recall", "precision", "f", "kl", "entropy", "cross", "size"},
        key=len,
        reverse=True,
    )
)

_FOREIGN = _table(
    loss="pérdida perdida perte verlust perda perdita verlies потери потеря strata kerugian",
    trainloss="trainingsverlust trainverlust trl",
    valloss="validierungsverlust valverlust tel",
    testloss="testverlust",
    accuracy="exactitud exactitude précision precisión precisão genauigkeit acurácia acuracia accuratezza "
    "nauwkeurigheid точность dokładność doğruluk akurasi",
    trainaccuracy="trainingsgenauigkeit traingenauigkeit",
    valaccuracy="validierungsgenauigkeit valgenauigkeit",
    testaccuracy="testgenauigkeit",
    error="fehler erreur ошибка",
    learningrate="lernrate",
    train="entrenamiento entraînement entrainement treino treinamento addestramento обучение обучения обучении",
    val="validación validacion validierung validação validacao validazione валидация валидации",
    epoch="época epoca époque epoche эпоха",
)
"""Words of languages that write blanks between their words, and llm.c's of three letters -> the English one."""
_FOREIGN_WITHIN = {
    "learning rate": "学习率 學習率 学習率 학습률",
    "train": "训练 訓練 学習 훈련 학습",
    "val": "验证 驗證 検証 검증",
    "test": "测试 測試 テスト 테스트",
    "loss": "损失 損失 손실",
    "accuracy": "准确率 準確率 正确率 正解率 准确度 精度 정확도",
    "epoch": "轮次 轮数 轮 エポック 에포크",
    "iteration": "迭代 イテレーション",
    "mean": "平均 평균",
    "current": "当前 當前 目前 現在 현재",
    "batch": "批次 バッチ 배치",
    "step": "步数 步數 ステップ 스텝",
    "number": "次数 次數",
}
"""English words -> what stands for them in languages that write none."""
_MEANINGS = {part: english for english, parts in _FOREIGN_WITHIN.items() for part in parts.split()}
_WITHIN = re.compile("|".join(sorted(_MEANINGS, key=len, reverse=True)))

_LONGEST_NAME = 500  # characters; a longer one is a text
_LONGEST_WORD = 40  # letters; a longer one is no name
_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?|%")
_TWO_WORDS = re.compile(r"\b(held|hold|in)[-_ ](out|sample)(?![a-z])")
_FOLDER = re.compile(r"[/\\|]|::|\s-\s")


@lru_cache(maxsize=4096)
def _decompose(word: str) -> tuple[str, ...]:
    """Take apart what is written together: `trainloss` -> train, loss; `boxlosstrain` -> box, loss, train."""
    if len(word) > _LONGEST_WORD:
        return (word,)
    whole = _spelled_from(word)
    if whole is not None:
        return whole
    for core in ("loss", "accuracy", "reward"):
        before, found, after = word.partition(core)
        if found and after not in ("es", "s") and word != core:
            return (*(_decompose(before) if before else ()), core, *(_decompose(after) if after else ()))
    return (word,)


def _spelled_from(word: str) -> tuple[str, ...] | None:
    """The word as a sequence of known words, longest first; None where it is none."""
    if any(word in known for known in (SPLITS, _ACCURACY_KINDS, _LOSS_KINDS, _TIMES, _REWARDS, _STEPS)):
        return (word,)
    for known in _DECOMPOSABLE:
        if word == known:
            return (known,)
        if word.startswith(known) and len(known) > 1:
            rest = _spelled_from(word[len(known) :])
            if rest is not None:
                return (known, *rest)
    return None


def words(name: str) -> tuple[str, ...]:
    """The lower-case words and numbers of a name, whatever separates them; `valLoss` and `val_loss` are the same."""
    found = _WORD.findall(_TWO_WORDS.sub(r"\1\2", in_english(name.casefold())))
    return tuple(part for word in found for part in _decompose(_FOREIGN.get(word, word)))


def in_english(name: str) -> str:
    """The name with the words of Chinese, Japanese and Korean logs that are known in English, blanks around them."""
    return name if name.isascii() else _WITHIN.sub(lambda found: f" {_MEANINGS[found[0]]} ", name)


def known_words(text: str) -> int:
    """How many words of Chinese, Japanese and Korean logs stand in a text."""
    return len(_WITHIN.findall(text))


# --- one name ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def parse(name: str) -> Facets:
    """Read a column name. Case and separators do not matter; an unknown name gives `Facets()` with its parts.

    A name that is too long to be one gives `Facets()` with its beginning.
    """
    if len(name) > _LONGEST_NAME:
        return Facets(parts=(name[:_LONGEST_WORD],))
    folders = [w for w in (words(folder) for folder in _FOLDER.split(name)) if w]
    if not folders:
        return Facets(quantity="index")
    axis = _axis(folders)
    if axis:
        return Facets(quantity=axis, kind=folders[-1][-1], words=tuple(word for folder in folders for word in folder))
    for at in range(len(folders) - 1, -1, -1):
        found = _quantity(folders[at])
        if found is not None:
            break
    else:
        return _finish(folders, len(folders) - 1, "", "", 0, folders[-1])
    quantity, kind, preference, rest = found
    return _finish(folders, at, quantity, kind, preference, rest)


def _finish(
    folders: list[tuple[str, ...]], at: int, quantity: str, kind: str, preference: int, rest: tuple[str, ...]
) -> Facets:
    """Facets of a name whose quantity stands in folder `at`, of which `rest` is left over."""
    before = [word for folder in folders[:at] for word in folder]
    after = [word for folder in folders[at + 1 :] for word in folder]
    everything = [*before, *rest, *after]
    splits = [SPLITS[word] for word in everything if word in SPLITS]
    spans = [_SPANS[word] for word in everything if word in _SPANS]
    parts = _rest(rest, quantity) + _rest(after, quantity)
    linear = "linear" in everything and "train" not in splits
    if kind == "accuracy" and (linear or _PROBES.intersection(everything)):
        kind, preference = "probe", preference + _ACCURACY_PREFERENCE["probe"]
    return Facets(
        split=splits[-1] if splits else "",  # eval/train_loss: the word next to the quantity counts
        quantity=quantity,
        kind=kind,
        preference=preference,
        span="ema" if "ema" in spans else "epoch" if "epoch" in spans else spans[0] if spans else "",
        extreme=any(word in _EXTREMES for word in everything),
        averaged=any(word in _MEANS for word in (*rest, *after)),
        parts=parts,
        groups=_rest(before, quantity),
        distant=bool(_rest(after, quantity)),
        words=tuple(word for folder in folders for word in folder),
    )


def named(columns: Iterable[str]) -> dict[str, Facets]:
    """Each column with what its name means, in their order."""
    return {column: parse(column) for column in columns}


def is_maximised(facets: Facets) -> bool:
    """Whether a name is that of a term that is maximised: an ELBO, or a log-likelihood, that is not called negative."""
    said = set(facets.words)
    return facets.kind == "term" and bool(said & _MAXIMISED) and not said & _NEGATED


def is_silent(word: str) -> bool:
    """Whether a word of a name says only of which split it is, over what it was averaged, or nothing."""
    return word in SPLITS or word in _SPANS or word in _FILLERS or word == "%"


def is_metric_name(name: str) -> bool:
    """Whether a name speaks of a loss, an accuracy or another measure of quality, not of a hyperparameter."""
    return parse(name).is_metric


def _rest(left: Iterable[str], quantity: str) -> tuple[str, ...]:
    """What remains when split, span and filler words are taken out."""
    silent = {"categorical", "sparse", "binary", "balanced"} if quantity == "accuracy" else set()
    return tuple(word for word in left if not is_silent(word) and word not in silent)


def _axis(folders: list[tuple[str, ...]]) -> str:
    """`epoch`, `step` or `index` where the name is nothing but that of an x axis, else ""."""
    leaf = set(folders[-1])
    if any(set(folder) - _AXIS_FOLDERS - _EPOCHS - _STEPS - set(SPLITS) for folder in folders[:-1]):
        return ""
    core = {word for word in leaf if word not in _AXIS_FILLERS and not word.isdigit()}
    if not core and leaf <= {"id", "no", "nr", "number", "i", "n"}:
        return "index"
    if core and core <= _EPOCHS:
        return "epoch"
    if core and core <= _STEPS:
        return "step"
    if core and core <= {"episode", "episodes"}:
        return "step"
    return "index" if core and core <= _INDICES else ""


def _quantity(leaf: tuple[str, ...]) -> tuple[str, str, int, tuple[str, ...]] | None:
    """(quantity, kind, preference, what is left of the words) of one folder's words; None where none is named."""
    for look in (
        _dead_units,
        _diversity,
        _grad_norm,
        _loss,
        _learning_rate,
        _accuracy,
        _reward,
        _loss_like,
        _term,
        _throughput,
        _time,
    ):
        found = look(leaf)
        if found is not None:
            return found
    return None


_Found = tuple[str, str, int, tuple[str, ...]] | None


def _without(leaf: tuple[str, ...], *taken: str) -> tuple[str, ...]:
    return tuple(word for word in leaf if word not in taken)


def _dead_units(leaf: tuple[str, ...]) -> _Found:
    units = {"relu", "relus", "unit", "units", "neuron", "neurons"}
    if "dead" not in leaf or not units & set(leaf):
        return None
    return "dead_units", "dead_units", 0, _without(leaf, "dead", *units, "share", "fraction", "ratio", "frac")


def _diversity(leaf: tuple[str, ...]) -> _Found:
    words = set(leaf)
    named = "diversity" in words or {"sample", "entropy"} <= words or {"mode", "coverage"} <= words
    return ("diversity", "diversity", 0, ()) if named else None


def _grad_norm(leaf: tuple[str, ...]) -> _Found:
    if "gnorm" in leaf:
        return "grad_norm", "gnorm", 0, _without(leaf, "gnorm")
    names = {"grad", "grads", "gradient", "gradients"} & set(leaf)
    if names and {"norm", "norms"} & set(leaf):
        left = _without(leaf, *names, "norm", "norms", "2", "2.0", "l", "l2", "before", "pre", "clip", "clipping")
        squared = {"square", "squared", "sq"} & set(left)
        return "grad_norm", "norm", 1 if squared else 0, _without(left, *squared)
    return None


def _loss(leaf: tuple[str, ...]) -> _Found:
    if "loss" not in leaf and "losses" not in leaf:
        return None
    at = leaf.index("loss") if "loss" in leaf else leaf.index("losses")
    left = [word for i, word in enumerate(leaf) if i != at]
    if leaf[at + 1 : at + 2] == ("value",):
        left.remove("value")  # loss_value is a loss; value_loss is a critic's
    return "loss", "loss", 0, tuple(left)


def _learning_rate(leaf: tuple[str, ...]) -> _Found:
    for spelling in (("learning", "rate"), ("lr",), ("learningrate",), ("lrs",)):
        if set(spelling) <= set(leaf):
            return "learning_rate", "lr", 0, _without(leaf, *spelling)
    return None


def _accuracy(leaf: tuple[str, ...]) -> _Found:
    if "coco" in leaf and "eval" in leaf:  # DETR's test_coco_eval_bbox: the twelve COCO numbers, AP first
        return "accuracy", "map", 0, _without(leaf, "coco", "eval", "0")
    joined = tuple("score" if word == "scores" else word for word in _join_phrases(leaf))
    if {"error", "err", "loss"} & set(joined):
        return None
    hits = [i for i, word in enumerate(joined) if word in _ACCURACY_KINDS]
    if not hits or ({joined[i] for i in hits} == {"top"} and "score" in joined):
        if "score" in joined and not {"time", "lr"} & set(joined):
            return "accuracy", "score", _ACCURACY_PREFERENCE["score"], _without(joined, "score")
        return None
    best = min(hits, key=lambda i: (_ACCURACY_PREFERENCE[_ACCURACY_KINDS[joined[i]]], i))
    kind = _ACCURACY_KINDS[joined[best]]
    preference = _ACCURACY_PREFERENCE[kind]
    if joined[best] in ("aacc", "macc"):
        preference = 2
    numbers = [word for before, word in itertools.pairwise(joined[min(hits) :]) if _is_k(before, word)]
    left = tuple(w for i, w in enumerate(joined) if i not in hits and not (i > min(hits) and w in numbers))
    if kind == "map":
        preference += _iou_threshold(numbers)
    elif kind in ("accuracy", "precision") and numbers:
        at_one = float(numbers[0]) == 1  # acc@1, top1, prec@1
        kind, preference = "accuracy", 0 if at_one else 6
    elif "top" in joined:
        preference = 6  # top-k without its number
        left = _without(left, "k")
    return "accuracy", kind, preference, left


def _is_k(before: str, word: str) -> bool:
    """Whether a word behind an accuracy is a number of its own, as in `acc@5`, and not that of a task."""
    return word[0].isdigit() and before not in _NUMBERED


def _join_phrases(leaf: tuple[str, ...]) -> tuple[str, ...]:
    """Put together what the word pattern took apart: f 1, r 2, io u, exact match, win rate."""
    phrases = {
        ("f", "1"): "f1",
        ("r", "2"): "r2",
        ("io", "u"): "iou",
        ("exact", "match"): "em",
        ("win", "rate"): "winrate",
    }
    phrases |= {("f", "score"): "f1", ("f", "measure"): "f1", ("m", "ap"): "map", ("m", "iou"): "miou"}
    joined: list[str] = []
    for word in leaf:
        if joined and (joined[-1], word) in phrases:
            joined[-1] = phrases[joined[-1], word]
        else:
            joined.append(word)
    return tuple(joined)


def _iou_threshold(numbers: Sequence[str]) -> int:
    """0 for a mAP averaged over thresholds (0.5:0.95, 50-95, none named), 1 for 0.5, 2 for any other."""
    values = {float(n) / (100 if float(n) > 1 else 1) for n in numbers}
    if not values or 0.95 in values or "5095" in numbers:
        return 0
    return 1 if values == {0.5} else 2


def _reward(leaf: tuple[str, ...]) -> _Found:
    hit = next((word for word in leaf if word in _REWARDS), None)
    if hit is None:
        return None
    left = tuple(word for word in leaf if word != hit and not word.isdigit() and word not in ("len", "num"))
    return "reward", "reward", 0, left


def _loss_like(leaf: tuple[str, ...]) -> _Found:
    if "cross" in leaf and "entropy" in leaf:
        return "loss", "cross_entropy", 1, _without(leaf, "cross", "entropy", "binary", "categorical", "sparse")
    hit = next((word for word in leaf if word in _LOSS_KINDS), None)
    if hit is None:
        return None
    kind = _LOSS_KINDS[hit]
    return "loss", kind, _LOSS_PREFERENCE[kind], _without(leaf, hit)


def _term(leaf: tuple[str, ...]) -> _Found:
    """A term of a loss by its own name alone; every word must be one of a term: `real` may be anything."""
    pairs = {("l", "1"): "l1", ("l", "2"): "l2", ("smoothl", "1"): "smoothl1"}
    joined: list[str] = []
    for word in leaf:
        if joined and (joined[-1], word) in pairs:
            joined[-1] = pairs[joined[-1], word]
        else:
            joined.append(word)
    terms = {word for word in joined if not is_silent(word) and word[0] > "9"}
    named = terms & _TERMS or (terms & _OPPONENTS and len(terms) > 1)
    if terms == {"l"} and any(word in SPLITS for word in joined):  # L_train, as in a formula
        return "loss", "loss", 0, _without(leaf, "l")
    if leaf[0] == "l" and len(leaf) > 1 and leaf[1].isalpha():  # l_pix, l_g_gan
        return "loss", "term", _LOSS_PREFERENCE["term"], leaf[1:]
    if not named or not terms <= _TERMS | _TERM_PARTS:
        return None
    return "loss", "term", _LOSS_PREFERENCE["term"], tuple(joined)


def _throughput(leaf: tuple[str, ...]) -> _Found:
    after = leaf[leaf.index("per") + 1 :] if "per" in leaf[1:] else ()  # seconds per step are a time
    if {"throughput", "fps", "wps", "sps", "ips", "tps", "ups", "mfu"} & set(leaf) or _SECONDS & set(after):
        return "throughput", "throughput", 0, leaf
    return None


def _time(leaf: tuple[str, ...]) -> _Found:
    return ("time", "time", 0, leaf) if _TIMES & set(leaf) else None


# --- all names of a log -----------------------------------------------------------------------------------------------


_SUMS = frozenset({"total", "combined", "overall"})
"""Words of a column that holds several others together."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    column: str
    facets: Facets
    key: tuple[int, ...]
    points: int


def assign(
    columns: Sequence[str] | Mapping[str, Facets],
    *,
    stats: Mapping[str, ColumnFacts] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Pick the best column for every canonical name in `ROLES` that the log has.

    columns: column names, or what `named` makes of them, in any order; of equals the one with the shortest name is
        taken.
    stats: facts by column; a column of one point plays no role, one of few points only where no longer one can.
    overrides: canonical name -> column, as from `--map`; an axis in `AXES` is checked and left to the caller.
    Returns canonical name -> column; no column plays two roles.
    Raises ValueError where an override names an unknown canonical name or column, with the nearest known one.
    """
    roles = {role: column for role, column in check_overrides(columns, overrides or {}).items() if role in ROLES}
    free = [column for column in columns if column not in roles.values()]
    facets = columns if isinstance(columns, Mapping) else named(columns)
    candidates = _candidates({c: facets[c] for c in free}, stats or {}, _metrics_of_validation(facets))
    rewards, val_rewards = candidates("reward", "train"), candidates("reward", "val")
    losses = _of_the_whole(candidates("loss", "train"), reinforced=bool(rewards or val_rewards))
    discriminators = _discriminators(losses)
    losses = [loss for loss in losses if loss not in discriminators] or losses
    train, val = _pair(losses, candidates("loss", "val"), roles.get("train_loss"))
    _fill(roles, train_loss=train, val_loss=val)
    _fill(roles, train_loss_step=_finer(train, losses) if train else None)
    _fill(roles, discriminator_loss=_first(sorted(discriminators, key=lambda c: len(c.facets.parts))))
    train, val = _pair(candidates("accuracy", "train"), candidates("accuracy", "val"), roles.get("train_accuracy"))
    _fill(roles, train_accuracy=train, val_accuracy=val)
    if not rewards:
        rewards, val_rewards = val_rewards, []
    _fill(roles, reward=_first(rewards), val_reward=_first(val_rewards))
    _fill(roles, learning_rate=_first(candidates("learning_rate", "")), throughput=_first(candidates("throughput", "")))
    whole = [c for c in candidates("grad_norm", "") if c.facets.total and not c.facets.groups]
    _fill(roles, grad_norm=_first(whole), dead_units=_first(candidates("dead_units", "")))
    _fill(roles, diversity=_first(candidates("diversity", "")))
    return {role: roles[role] for role in ROLES if role in roles}


def _of_the_whole(losses: list[_Candidate], *, reinforced: bool) -> list[_Candidate]:
    """The losses without those of a policy and of the value of states, which chase a target that moves with them.

    reinforced: the log has a reward; without one, a policy and a value beside each other tell that it could have.
    """
    named = [{*loss.facets.parts, *loss.facets.groups} for loss in losses]
    if not reinforced and not (any(parts & _POLICY for parts in named) and any(parts & _VALUE for parts in named)):
        return losses
    return [loss for loss, parts in zip(losses, named, strict=True) if not parts & (_POLICY | _VALUE)]


def _discriminators(losses: Sequence[_Candidate]) -> list[_Candidate]:
    """The losses of a discriminator. A single `d` may be any quantity, unless there is a `g` beside it."""
    named = [set(loss.facets.parts) for loss in losses]
    known = _DISCRIMINATORS if any("g" in parts for parts in named) else _DISCRIMINATORS - {"d"}
    return [loss for loss, parts in zip(losses, named, strict=True) if parts & known]


def same_metric(a: str, b: str) -> bool:
    """Whether two columns measure the same metric, so that their values may be compared (accuracy and mAP do not)."""
    return _same_kind(parse(a), parse(b))


def _same_kind(a: Facets, b: Facets) -> bool:
    return (a.kind, a.preference) == (b.kind, b.preference)


def _fill(roles: dict[str, str], **found: _Candidate | None) -> None:
    """Give each role its column where it has none yet and the column is still free."""
    for role, candidate in found.items():
        if candidate is not None and role not in roles and candidate.column not in roles.values():
            roles[role] = candidate.column


def _first(candidates: Sequence[_Candidate]) -> _Candidate | None:
    return candidates[0] if candidates else None


def _candidates(
    parsed: Mapping[str, Facets], stats: Mapping[str, ColumnFacts], late: frozenset[str]
) -> Callable[[str, str], list[_Candidate]]:
    """A look-up of the columns that can play (quantity, split), best first; split "" asks for any.

    late: columns that name no split and belong to validation.
    """
    facts = {column: stats.get(column, ColumnFacts(FEW_POINTS)) for column in parsed}

    def side(column: str) -> str:
        facets = parsed[column]
        if facets.split:
            return facets.split
        evaluated = facets.quantity == "accuracy" and (facts[column].apart or facets.kind == "probe")
        return "val" if evaluated or column in late else "train"

    def look(quantity: str, split: str) -> list[_Candidate]:
        fit = [c for c, f in parsed.items() if f.quantity == quantity and not f.extreme and facts[c].points > 1]
        if split == "train":
            fit = [c for c in fit if side(c) == "train" and parsed[c].kind != "probe"]
        elif split == "val":
            held_out = [[c for c in fit if side(c) == name] for name in ("val", "test")]
            fit = next((some for some in held_out if some), [])
        copies = _copies(fit, parsed)
        found = [_Candidate(c, parsed[c], _rank(parsed[c], facts[c], c in copies), facts[c].points) for c in fit]
        return sorted(found, key=lambda candidate: (candidate.key, _in_order(candidate)))

    return look


def _rank(facets: Facets, facts: ColumnFacts, copy: bool) -> tuple[int, ...]:
    """The smaller, the better a column stands for its quantity."""
    minor = _MINOR_LOSSES if facets.quantity == "loss" else _GENERATED if facets.quantity == "accuracy" else frozenset()
    names = (*facets.parts, *facets.groups)
    return (
        facts.points < FEW_POINTS,
        facets.preference,
        facets.distant,
        not facets.total,
        any(word in minor for word in names),
        len(facets.groups) + copy if facets.quantity != "reward" else len(facets.parts) + len(facets.groups),
        {"": 0, "epoch": 1, "ema": 2, "step": 3}[facets.span],
        not facets.split,
        facts.constant,
        facets.averaged and facets.quantity == "loss",
        _group(facets),
    )


def _in_order(candidate: _Candidate) -> tuple[int, bool, tuple[tuple[int, str], ...], str]:
    """For columns that stand equally well, which a log may have in any order: by the words of their names, a total
    first, and then by the names, numbers as such.
    """
    words = candidate.facets.words
    parts = re.findall(r"\d{1,18}|\D+", candidate.column.casefold())
    named = tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
    return len(words), _SUMS.isdisjoint(words), named, candidate.column.swapcase()  # `Loss` before `LOSS`


def _group(facets: Facets) -> int:
    """The parameter group of a learning rate, 0 for none; that called 0 is behind all others: in YOLOv5 and Ultralytics
    it holds the biases with a warm-up of their own.
    """
    numbers = [int(part) for part in facets.parts if part.isdecimal() and len(part) < 4]
    return (numbers[0] or 1000) if facets.quantity == "learning_rate" and numbers else 0


def _copies(columns: Sequence[str], parsed: Mapping[str, Facets]) -> frozenset[str]:
    """Ludwig's `combined` columns where there is one output feature only, of which they are then a copy."""
    combined = frozenset(c for c in columns if "combined" in parsed[c].groups)
    features = {parsed[c].groups for c in columns if c not in combined}
    return combined if len(features) == 1 else frozenset()


def _metrics_of_validation(parsed: Mapping[str, Facets]) -> frozenset[str]:
    """Accuracy-like columns that name no split and yet were measured on validation data.

    A mean average precision is never computed on the training set, nor are precision and recall beside it; Ultralytics
    keeps validation metrics in `metrics/`; and in `train_loss, valid_loss, accuracy` (fastai) a metric belongs to the
    split of the loss before it. Where the same metric stands there with a validation split as well, the bare one is of
    training.
    """
    late: set[str] = set()
    measured = [f for f in parsed.values() if f.quantity == "accuracy" and not f.extreme]
    twins = {_thing(f) for f in measured if f.split in ("val", "test")}
    plain = any(f.kind == "loss" and f.total and not f.split and not f.extreme for f in parsed.values())
    detections = {"map", "precision", "recall"} if any(f.kind == "map" and not f.split for f in measured) else {"map"}
    before = ""
    for column, facets in parsed.items():
        if facets.quantity == "loss" and facets.preference == 0:
            before = facets.split
        if facets.quantity == "accuracy" and not facets.split and _thing(facets) not in twins:
            folder = _FOLDER.split(column.casefold().strip())[0]
            if facets.kind in detections or folder == "metrics" or (before in ("val", "test") and not plain):
                late.add(column)
    return frozenset(late)


_COMPARABLE = frozenset({"loss", "cross_entropy"})
"""Kinds of loss that may be two names of one thing."""


def _pair(
    train: Sequence[_Candidate], val: Sequence[_Candidate], given: str | None
) -> tuple[_Candidate | None, _Candidate | None]:
    """The best pair of curves that can be held against each other; the best of each side where none can.

    A total that exists on one side only is passed over for a part that both sides have: a training total above a
    validation part says nothing. A loss and another kind of error are not put side by side.
    """
    if not train or not val or given is not None:
        return _first(train), _first(val)
    long = [t for t in train if t.points >= FEW_POINTS]
    for like in (_thing, _leaf):
        firsts: dict[object, _Candidate] = {}
        for t in long or train:
            firsts.setdefault(like(t.facets), t)
        pair = next(((firsts[like(v.facets)], v) for v in val if like(v.facets) in firsts), None)
        if pair:
            return pair
    t, v = train[0], val[0]
    kinds = {t.facets.kind, v.facets.kind}
    if "probe" in kinds:
        return t, None
    if t.facets.quantity == "loss" and len(kinds) > 1 and not kinds <= _COMPARABLE:
        return t, None
    return t, v


def _leaf(facets: Facets) -> tuple[object, ...]:
    """What two curves of one thing have in common, whatever folders they stand in."""
    return facets.kind, facets.preference, facets.parts, facets.distant


def _thing(facets: Facets) -> tuple[object, ...]:
    return *_leaf(facets), frozenset(facets.groups)


def _finer(train: _Candidate, candidates: Sequence[_Candidate]) -> _Candidate | None:
    """The per-step companion of an aggregated training loss: the same part, more points."""
    finer = [
        c
        for c in candidates
        if c.facets.span == "step" and _leaf(c.facets) == _leaf(train.facets) and c.points > train.points
    ]
    return _first(finer)


def remarks(roles: Mapping[str, str], columns: Sequence[str] | Mapping[str, Facets]) -> list[str]:
    """What had to be decided in choosing these roles among these columns, in sentences for the user."""
    facets = columns if isinstance(columns, Mapping) else named(columns)
    said = [_part_remark(roles[role], facets) for role in ("train_loss", "train_accuracy") if role in roles]
    apart = bool(sets_of(roles))  # then all sets are judged
    whole = not apart and ("train_loss" not in roles or facets[roles["train_loss"]].total)
    said += [_held_out_remark(roles[role], facets, whole) for role in ("val_loss", "val_accuracy") if role in roles]
    train, val = roles.get("train_accuracy"), roles.get("val_accuracy")
    if train is not None and val is not None and not _same_kind(facets[train], facets[val]):
        said.append(f"{train} and {val} are different metrics")
    return [remark for remark in said if remark]


def _part_remark(column: str, columns: Mapping[str, Facets]) -> str:
    """That a part stands for the whole, where it does."""
    facets = columns[column]
    parts = _rivals(facets, columns)
    if facets.total or len(parts) < 2:
        return ""
    what = "loss" if facets.quantity == "loss" else "metric"
    return f"{column} is judged, one of {len(parts)} parts of the {what}"


def _held_out_remark(column: str, columns: Mapping[str, Facets], of_one_thing: bool) -> str:
    """That a test split stands for validation, or one evaluation set for several, where it does.

    of_one_thing: the training loss is no part of something, and the sets were not told apart.
    """
    facets = columns[column]
    if facets.split == "test":
        return f"no validation {facets.quantity}: {column} stands for it"
    sets = _rivals(facets, columns)
    if facets.quantity == "loss" and not facets.total and len(sets) > 1 and of_one_thing:
        parts = all(LOSS_PARTS.intersection(columns[other].parts) for other in sets)
        what = f"one of {len(sets)} parts of the loss" if parts else f"the first of {len(sets)} evaluation sets"
        return f"{column} is judged, {what}"
    return ""


def _rivals(facets: Facets, columns: Mapping[str, Facets]) -> list[str]:
    """The columns of the same quantity and split that are parts like this one."""

    def like(other: Facets) -> bool:
        same = (other.quantity, other.kind, other.split) == (facets.quantity, facets.kind, facets.split)
        return same and not other.extreme and not other.total and other.span == facets.span

    return [column for column, other in columns.items() if like(other)]


# --- overrides and near misses ----------------------------------------------------------------------------------------


def check_overrides(columns: Iterable[str], overrides: Mapping[str, str]) -> dict[str, str]:
    """The overrides with every column as the log spells it (case and padding do not matter).

    Raises ValueError where a canonical name or a column is unknown, or one column is given two roles.
    """
    spelled = {column.strip().casefold(): column for column in columns}
    exact = set(columns)
    checked: dict[str, str] = {}
    for role, column in overrides.items():
        if role not in ROLES and role not in AXES:
            raise ValueError(f"unknown role {role!r}; {_did_you_mean(role, (*ROLES, *AXES))}")
        found = column if column in exact else spelled.get(column.strip().casefold())
        if found is None:
            raise ValueError(f"no column {column!r} for {role}; {_did_you_mean(column, list(spelled.values()))}")
        if found in checked.values():
            raise ValueError(f"column {found!r} is named for two roles; give each role a column of its own")
        checked[role] = found
    return checked


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    close = nearest(name, known)
    if close is not None:
        return f"did you mean {close}?"
    shown = ", ".join(known[:8])
    return f"known: {shown}" + (", ..." if len(known) > 8 else "")


# --- configuration ----------------------------------------------------------------------------------------------------
