"""What a hyperparameter is called in configurations and logs: its canonical name, and its aliases. The one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from diagnose.names.roles import words

_SETTINGS = {
    "optimizer": "optimizer optim optimiser optimizer_name optimizer_type optimizer_class opt optim_name",
    "learning_rate": "learning_rate lr base_lr initial_lr init_lr lr0 peak_lr max_lr learningrate eta0 start_lr",
    "min_learning_rate": "min_lr min_learning_rate end_lr final_lr eta_min lr_min",
    "batch_size": "batch_size per_device_train_batch_size train_batch_size batchsize train_bs bs batch "
    "per_gpu_train_batch_size per_device_batch_size samples_per_gpu micro_batch_size mini_batch_size ims_per_batch "
    "batch_size_train train_micro_batch_size_per_gpu",
    "eval_batch_size": "eval_batch_size per_device_eval_batch_size val_batch_size test_batch_size valid_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps grad_accum accumulate_grad_batches grad_accum_steps "
    "gradient_accumulation accumulation_steps accum_iter update_freq",
    "weight_decay": "weight_decay wd decay l2 l2_penalty weightdecay l2_reg",
    "momentum": "momentum sgd_momentum",
    "epochs": "epochs num_epochs num_train_epochs max_epochs n_epochs nepochs nb_epoch epoch_num total_epochs "
    "nb_epochs number_of_epochs max_epoch num_epoch",
    "max_steps": "max_steps total_steps max_iters num_steps num_iters max_iter total_timesteps num_training_steps "
    "train_steps iterations",
    "dropout": "dropout dropout_rate drop_rate dropout_prob dropout_p p_dropout hidden_dropout_prob drop",
    "warmup": "warmup",
    "warmup_steps": "warmup_steps num_warmup_steps warmup_iters lr_warmup_steps warmup_iterations warmup_updates",
    "warmup_ratio": "warmup_ratio warmup_proportion warmup_frac warmup_fraction",
    "warmup_epochs": "warmup_epochs lr_warmup_epochs warmup_epoch",
    "num_classes": "num_classes n_classes nb_classes num_labels nc classes n_class num_class number_of_classes",
    "gradient_clip": "gradient_clip grad_clip max_grad_norm clip_grad_norm gradient_clip_val clip_grad clip_norm "
    "clipnorm gradient_clipping grad_clip_norm clip clip_max_norm clip_gradients grad_norm_clip max_norm",
    "scheduler": "scheduler lr_scheduler lr_scheduler_type lr_schedule sched schedule lr_policy learning_rate_schedule "
    "lr_decay_style scheduler_name scheduler_type decay_method",
    "activation": "activation activation_function activation_fn act act_fn hidden_act nonlinearity activation_type",
    "initialization": "initialization init initializer weight_init kernel_initializer init_type init_method "
    "weight_initialization initialisation",
    "seed": "seed random_seed manual_seed random_state rng_seed",
    "precision": "precision mixed_precision amp dtype fp16 bf16 use_amp half torch_dtype use_fp16",
    "label_smoothing": "label_smoothing smoothing label_smoothing_factor label_smooth",
    "loss_function": "loss_function loss_fn criterion loss_type loss_name",
    "model": "model model_name model_name_or_path arch architecture backbone network net model_type",
    "dataset": "dataset dataset_name data data_name data_set",
}
"""What nearly every training has; a table of runs has a column for each."""

_METHODS = {
    "early_stopping": "early_stopping use_early_stopping early_stop earlystop early_stopping_enabled",
    "patience": "patience early_stopping_patience early_stop_patience es_patience earlystopping_patience "
    "early_stop_patience_steps",
    "save_best": "save_best save_best_only restore_best_weights load_best_model_at_end checkpoint_best keep_best",
    "normalize_inputs": "normalize_inputs normalize_input normalize_data normalize_images normalize_x "
    "normalize_features normalize normalise_inputs normalise_input normalise_data normalise_images normalise_x "
    "normalise_features normalise standardize_inputs standardize_input standardize_data standardize_images "
    "standardize_x standardize_features standardize standardise_inputs standardise_input standardise_data "
    "standardise_images standardise_x standardise_features standardise input_normalization do_normalize",
    "augmentation": "augmentation augment data_augmentation use_augmentation use_data_augmentation augmentations "
    "data_aug use_aug augment_data do_augment",
    "auto_augment": "auto_augment autoaugment aa auto_augment_policy augmentation_policy aug_policy",
    "mixup": "mixup mixup_alpha",
    "cutmix": "cutmix cutmix_alpha",
    "kernel_size": "kernel_size conv_kernel_size conv_kernel filter_size kernel_sizes",
    "stride": "stride strides conv_stride",
    "padding": "padding conv_padding",
    "dilation": "dilation dilation_rate conv_dilation atrous_rate",
    "pool_size": "pool_size pooling_size pool_kernel_size pool_kernel maxpool_size max_pool_size",
    "pool_stride": "pool_stride pooling_stride pool_strides",
    "pool_padding": "pool_padding pooling_padding",
    "normalization": "normalization normalisation norm_layer norm_type normalization_layer",
    "max_norm_constraint": "max_norm_constraint weight_norm_constraint kernel_constraint weight_constraint "
    "max_weight_norm norm_constraint",
}
"""What only some trainings have, or what a log may count by (`patience`): no sign of a table of runs."""

HYPERPARAMETERS = frozenset(_SETTINGS | _METHODS)
"""Canonical names of all of them."""

SETTINGS = frozenset(_SETTINGS)
"""Canonical names of the hyperparameters by which a table of runs is told from a log."""


@lru_cache(maxsize=1)
def aliases() -> dict[str, str]:
    """Alias -> canonical name; the words of an alias are joined by `_`."""
    table = _SETTINGS | _METHODS
    return {"_".join(words(alias)): name for name, known in table.items() for alias in known.split()}


_LONGEST_NAME = 500  # characters; a longer one is a text


@lru_cache(maxsize=8192)
def hyperparameter(name: str) -> str:
    """Canonical name of a configuration key (`optim/lr` -> `learning_rate`), else the key itself.

    The patience of a scheduler (ReduceLROnPlateau has one) is none of the training's.
    """
    if len(name) > _LONGEST_NAME:
        return name
    *folders, leaf = re.split(r"[./]", name)
    found = aliases().get("_".join(words(name))) or aliases().get("_".join(words(leaf)), name)
    waits = found == "patience" and any(hyperparameter(folder) == "scheduler" for folder in folders)
    return name if waits else found


def hyperparameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration under canonical names; a second key for one hyperparameter keeps its own name.

    A switch such as `fp16: True` becomes `precision: "fp16"`; one that is off says nothing and keeps its name.
    """
    named: dict[str, Any] = {}
    for key, value in config.items():
        name, said = hyperparameter(key), value
        if name == "precision" and isinstance(value, bool):
            name, said = ("precision", re.split(r"[./_]", key)[-1]) if value else (key, value)
        if name != key and (name in named or name in config):
            name, said = key, value
        named[name] = said
    return named
