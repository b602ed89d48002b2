"""What the package can be extended by: modalities, extractors, tasks, corpora, fusions, losses. Built-in entries and
those of plugins.

A plugin is an installed distribution that names its objects as entry points, for example in its pyproject.toml:

    [project.entry-points."tricue.modalities"]
    physiology = "my_package.physiology:PHYSIOLOGY"
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tricue.types import InputError, shown

if TYPE_CHECKING:
    from tricue.corpora.catalogue import Reader
    from tricue.modalities.modality import Modality

T = TypeVar("T")


class Registry(Generic[T]):
    """Objects by name, imported when they are first asked for: `import tricue` stays light.

    Args:
        group: Entry-point group of plugins.
        noun: What an entry is, as errors name it.
        built_in: Name to "module:attribute" of the package's own entries, in the order of every table.
        is_named: Entries have an attribute `name`, which files and tables keep: it is the entry point's.
        reserved: Further names that no plugin may take.
    """

    def __init__(
        self, group: str, noun: str, built_in: Mapping[str, str], is_named: bool = False, reserved: Collection[str] = ()
    ) -> None:
        self.group = group
        self.noun = noun
        self.is_named = is_named
        self._built_in = dict(built_in)
        self._taken = {*built_in, *reserved}
        self._loaded: dict[str, T] = {}

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        found = {point.name: point for point in entry_points(group=self.group)}
        if taken := sorted(found.keys() & self._taken):
            raise InputError(
                f"{_origin(found[taken[0]])}: the {self.noun} {taken[0]} is built in; a plugin needs a name of its own."
            )
        return found

    def names(self) -> list[str]:
        """The built-in names in their order, then those of plugins, sorted."""
        return [*self._built_in, *sorted(self._plugins)]

    def packages(self) -> dict[str, str]:
        """Name -> package of the plugins' entries, which are not loaded for it."""
        return {name: _package(point) for name, point in sorted(self._plugins.items())}

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._plugins

    def __getitem__(self, name: str) -> T:
        """The entry of this name.

        Raises:
            InputError: No entry has this name, or its plugin cannot be imported.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def check(self, name: str) -> str:
        """The name. Raises InputError where no entry has it; nothing is loaded."""
        if name not in self:
            raise InputError(f"{self.noun} {shown(name)}: not known; expected one of {', '.join(self.names())}")
        return name

    def _load(self, name: str) -> Any:
        if name in self._built_in:
            module, _, attribute = self._built_in[name].partition(":")
            return getattr(import_module(module), attribute)
        point = self._plugins[self.check(name)]
        try:
            entry = point.load()
        except Exception as error:
            raise InputError(
                f"{_origin(point)}: the {self.noun} {name} does not load ({type(error).__name__}: {error}). Repair or "
                "uninstall that package."
            ) from error
        if self.is_named and (own := getattr(entry, "name", None)) != name:
            raise InputError(
                f"{_origin(point)}: the {self.noun} calls itself {shown(own)}; name and entry point must be the same. "
                "Rename one in that package."
            )
        return entry


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "a plugin"


def _origin(point: EntryPoint) -> str:
    return f"{_package(point)} (entry point {point.group}: {point.name} = {point.value})"


MODALITIES: Registry[Modality[Any]] = Registry(
    "tricue.modalities",
    "modality",
    {
        "text": "tricue.modalities.text:TEXT",
        "audio": "tricue.modalities.audio:AUDIO",
        "video": "tricue.modalities.video:VIDEO",
    },
    is_named=True,
)
"""Their order is that of every table, figure and batch."""

EXTRACTORS: Registry[Any] = Registry("tricue.extractors", "extractor", {}, reserved=("light", "emotion"))
"""Encoders of plugins by the name that `features.<modality>.encoder` gives: classes with an attribute `modality`, made
from that section of the settings and a device (`extractors/choice.py`, `Extractor`)."""

FUSIONS: Registry[Any] = Registry("tricue.fusions", "fusion", {"concatenation": "tricue.model.fusion:FusionMLP"})
"""Modules from the pooled vectors of M modalities side by side, (B, M d), to H, (B, d): made from the widths M d and d,
and the dropout. `model.fusion` names one."""

LOSSES: Registry[Any] = Registry(
    "tricue.losses",
    "loss",
    {
        "ccc": "tricue.tasks.task_losses:concordance_loss",
        "mse": "torch.nn.functional:mse_loss",
        "huber": "torch.nn.functional:smooth_l1_loss",
    },
)
"""Losses of real values: outputs and targets (B, K), in deviations of the training rows, to a scalar. `task.loss` names
one."""

CORPORA: Registry[Reader] = Registry(
    "tricue.corpora",
    "corpus",
    {
        "MELD": "tricue.corpora.meld:read",
        "IEMOCAP": "tricue.corpora.iemocap:read",
        "RAVDESS": "tricue.corpora.ravdess:read",
        "CREMA-D": "tricue.corpora.crema_d:read",
        "GoEmotions": "tricue.corpora.goemotions:read",
        "folder": "tricue.corpora.folder_corpus:read",
        "toy": "tricue.toy.toy_corpus:read",
    },
)
"""Readers of corpora in their published layout: the corpus's folder and the settings to a `Corpus`."""
