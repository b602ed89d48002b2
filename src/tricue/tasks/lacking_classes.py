"""Classes that the training or val rows lack, named before training begins: of the tasks whose answers are classes."""

import logging
from collections.abc import Mapping, Sequence

from tricue.config.data_settings import DataConfig
from tricue.config.settings import Config
from tricue.data.labels import class_counts
from tricue.spelling import listed
from tricue.types import Utterance, shown

logger = logging.getLogger(__name__)


def report_classes(classes: Sequence[str], splits: Mapping[str, Sequence[Utterance]], config: Config) -> None:
    """Log how many rows each class has in train and val, and name the classes that one of the two lacks."""
    logger.info("Classes (rows of train / val): %s.", class_counts(classes, splits["train"], splits["val"]))
    of_fold = f" in fold {shown(config.data.fold, quoted=False)}" if config.data.fold else ""
    trained, chosen = ({name for row in splits[split] for name in row.classes} for split in ("train", "val"))
    untrained = [name for name in classes if name not in trained]
    unchosen = [name for name in classes if name in trained - chosen]
    if untrained:
        logger.warning(
            "No training row is %s%s: the model never learns to answer so. %s",
            listed(untrained), of_fold, _remedy(untrained[0], "train", config.data),
        )  # fmt: skip
    if unchosen and config.training.select == "best":
        logger.warning(
            "No val row is %s%s: epochs and calibration are chosen without it. %s",
            listed(unchosen), of_fold, _remedy(unchosen[0], "val", config.data),
        )  # fmt: skip


def _remedy(name: str, split: str, data: DataConfig) -> str:
    """What brings rows of the class `name` into `split`, or does without them."""
    if data.protocol.startswith("kfold"):
        other = f"set data.folds to another number than {data.folds}, choose another --protocol"
    elif data.protocol in ("loso", "leaky"):
        other = "choose another --protocol"
    elif data.val_from_train:
        other = f"take another share than data.val_from_train={data.val_from_train:g}"
    else:
        other = f"mark some of its rows `{split}` in the column `split`"
        other += ", take val from train with --set data.val_from_train=0.1" if split == "val" else ""
    drop = f"--set 'data.mapping={{{name}: \"\"}}'"
    return f"Remedies: {other}; add clips of it; or leave the class out with {drop}, and out of data.emotions."
