"""What the commands that train and measure share: which rows, where features lie, what computes."""

from dataclasses import dataclass
from pathlib import Path

from tricue.config.settings import Config
from tricue.corpora import catalogue
from tricue.corpora.catalogue import Manifests
from tricue.data.corpus import Corpus


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The surroundings of a run, which change no result of it."""

    store: Path  # of features
    data_dir: Path | None = None  # the corpus in its published layout; None: data/<NAME>
    manifest: Manifests = None  # in place of data_dir; several: their corpora stand together
    device: str = "auto"  # auto, cpu, cuda
    quiet: bool = False  # no progress on the terminal

    def read_corpus(self, config: Config) -> Corpus:
        """The rows. Raises InputError as `catalogue.read_corpus` does."""
        return catalogue.read_corpus(config, data_dir=self.data_dir, manifest=self.manifest)
