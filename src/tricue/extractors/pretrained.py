"""Files of a pretrained model's folder, as transformers reads them: settings, weights, tokenizer, processors.

Every `from_pretrained` of the package is called here. The files are foreign: no code beside them runs, no other package
and no other repository that they name is followed, and what they hold is checked before memory is taken for it.
"""

import json
import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from tricue.types import InputError, InvalidFileError, first_line, shown

_LOG = logging.getLogger(__name__)
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
_SPECIAL_TOKENS = ("unk_token", "pad_token", "cls_token", "sep_token")  # those that stand in what an encoder reads
_ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
_PLAIN_ATTENTION = ("eager", "sdpa")  # transformers' own; any other name may be a kernel to fetch
# `auto_map` names code beside the model, the others kernels of the hub: models run without them
_IGNORED = frozenset({"auto_map", "use_kernels", "kernel_config", "experts_implementation",
                      "_experts_implementation", "_experts_implementation_internal"})  # fmt: skip
# each makes transformers import other packages or read other files
_REFUSED = frozenset({"quantization_config", "transformers_weights", "fusion_config", "distributed_config"})
_LAYERS = re.compile(r"(layers?|depths?|blocks)$")
_LARGEST = 1_000_000  # of a number in the settings of models with fewer weights than that: rates, positions
# parameters that settings may describe beyond twice those of the file: heads without weights
_SPARE = 10_000_000
_PICTURE = 2048  # largest side of a processor's picture, in pixels
_SAMPLES = 3_000_000  # largest number of its other settings
_JSON_BYTES = 100_000_000  # the largest tokenizers of the hub have 35 MB
# never used here: text is read token by token, and only training masks sound
_UNUSED = re.compile(r"^(\w+\.)?pooler\.|(^|\.)masked_spec_embed$")
# what settings, tokenizers and models of transformers raise where a value is odd: each has its own ways
_ODD = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError,
        ValueError, SafetensorError)  # fmt: skip


@contextmanager
def foreign(folder: Path, what: str) -> Iterator[None]:
    """What cannot be read in here is the fault of the folder's files. Raises InvalidFileError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if not _comes_of_files(error):
            raise
        raise _invalid(folder, f"{what} cannot be loaded ({first_line(error)})") from error


def _comes_of_files(error: Exception) -> bool:
    """Whether transformers and what it rests on raise such an error for files that are not what they should be."""
    from huggingface_hub.errors import StrictDataclassError  # of a field's type: no kin of TypeError
    from torch import OutOfMemoryError

    if isinstance(error, OutOfMemoryError):
        return False
    return isinstance(error, (*_ODD, StrictDataclassError)) or type(error) is Exception  # Rust of tokenizers


def read_settings(folder: Path) -> Any:
    """The model's own config.json, as transformers' class for its `model_type`. Raises InvalidFileError."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    given = read_json(folder / "config.json")
    if (folder / "adapter_config.json").is_file():
        raise _invalid(folder, "adapter_config.json names another model; merge the adapter into it")
    known = given.get("model_type")
    if not isinstance(known, str) or known not in CONFIG_MAPPING:
        own_code = "; the code beside the model is never run" if "auto_map" in given else ""
        unknown = f"config.json has model_type {str(known)[:50]!r}, which transformers does not have"
        raise _invalid(folder, unknown + own_code)
    with foreign(folder, "config.json"), quiet():
        settings = CONFIG_MAPPING[known].from_dict(_plain(given, folder))
        settings.name_or_path = str(folder)
        return settings


def read_model(kind: Any, folder: Path) -> tuple[Any, set[str]]:
    """A model of `kind` (a class of transformers) in float32 and evaluation mode, and the names of weights that the
    folder lacks and nothing here uses.

    Raises InvalidFileError where another weight is missing, has another shape or is no finite number: transformers
    would put random ones in its place.
    """
    import torch

    settings = read_settings(folder)
    check_size(kind, settings, folder, _weights_of(folder))
    with foreign(folder, "the weights"), quiet():
        model, told = kind.from_pretrained(
            str(folder), config=settings, dtype=torch.float32, use_safetensors=True, trust_remote_code=False,
            local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True,
        )  # fmt: skip
    if odd := sorted(str(name) for name, *_ in told["mismatched_keys"]):
        raise _invalid(folder, f"{len(odd)} weights have not the shape that config.json describes ({_some(odd)})")
    missing = {str(name) for name in told["missing_keys"]}
    if wrong := sorted(name for name in missing if not _UNUSED.search(name)):
        raise _invalid(folder, f"{len(wrong)} weights are not in its files ({_some(wrong)})")
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise _invalid(folder, f"the weight {name} holds values that are not finite numbers")
    _name_unexpected(folder, model, [str(name) for name in told["unexpected_keys"]])
    return model.eval(), missing


def empty_model(kind: Any, settings: Any, **options: Any) -> Any:
    """A model of `kind` with these settings, its weights still to be loaded."""
    if hasattr(kind, "from_config"):  # one of transformers' Auto classes
        return kind.from_config(settings, trust_remote_code=False, **options)
    return kind(settings)


def read_part(kind: Any, folder: Path, file: str, **options: Any) -> Any:
    """A tokenizer or processor by its class of transformers. file: what it is read from, for messages.

    Raises InvalidFileError where its files are not those of one.
    """
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith(("tokenizer", "preprocessor", "special_tokens", "added_tokens", "vocab")):
            content = read_json(path)
            if path.name.startswith("preprocessor"):
                _check_processor(content, folder)
    with foreign(folder, file), quiet():
        return kind.from_pretrained(
            str(folder), config=read_settings(folder), trust_remote_code=False, local_files_only=True, **options,
        )  # fmt: skip


def read_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer. Raises InvalidFileError where there is none: transformers would make one to which every
    word is unknown."""
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in _VOCABULARIES):
        known = f"no tokenizer there ({', '.join(_VOCABULARIES)})"
        raise _invalid(folder, f"{known}; save it beside the weights with save_pretrained()")
    tokenizer = read_part(AutoTokenizer, folder, "the tokenizer")
    _check_special_tokens(tokenizer, folder)
    return tokenizer


def _check_special_tokens(tokenizer: Any, folder: Path) -> None:
    """Raise InvalidFileError for a special token that the vocabulary or the encoder's table does not have.

    transformers looks up such a token as the unknown one, and an unknown one that is missing without end.
    """
    rows = getattr(read_settings(folder), "vocab_size", None) or math.inf
    with foreign(folder, "the tokenizer"):
        vocabulary = tokenizer.get_vocab()
        for name in _SPECIAL_TOKENS:
            token = getattr(tokenizer, name)
            if token is None or vocabulary.get(token, math.inf) < rows:
                continue
            raise _invalid(folder, f"tokenizer_config.json: {name} {shown(token)} is no token of its encoder")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a model's folder. Raises InvalidFileError."""
    try:
        size = path.stat().st_size
        content = json.loads(path.read_text(encoding="utf-8")) if size <= _JSON_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise _invalid(path.parent, f"{path.name} is no JSON ({first_line(error)})") from error
    if size > _JSON_BYTES:
        raise _invalid(path.parent, f"{path.name} is larger than {_JSON_BYTES // 1_000_000} MB")
    if not isinstance(content, dict):
        raise _invalid(path.parent, f"{path.name} is no JSON object")
    return content


def check_size(kind: Any, settings: Any, folder: Path, weights: tuple[int, int]) -> None:
    """Raise InvalidFileError where settings describe a larger model than the weights are of, before memory is taken.

    weights: how many numbers there are, in how many tensors.
    """
    import torch

    numbers, tensors = weights
    for name, value in _numbers(settings.to_dict()):
        most = tensors if _LAYERS.search(name) else max(numbers, _LARGEST)
        if not abs(value) <= most:  # nor is it NaN
            beyond = f"config.json: {name} is {value:g}, but there are {numbers:,} weights in all"
            raise _invalid(folder, beyond)
    with foreign(folder, "config.json"), quiet(), torch.device("meta"):  # shapes alone
        model = empty_model(kind, settings)
    described = sum(t.numel() for t in (*model.parameters(), *model.buffers()))
    if described > 2 * numbers + _SPARE:
        raise _invalid(folder, f"config.json describes {described:,} weights, its files hold {numbers:,}")


@contextmanager
def quiet() -> Iterator[None]:
    """What transformers reports is checked here, and told where it matters."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()


def _plain(value: Any, folder: Path) -> Any:
    """Settings without what would run or fetch something. Raises InvalidFileError for what cannot be left out."""
    if isinstance(value, list):
        return [_plain(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    if named := sorted(key for key in _REFUSED & value.keys() if value[key]):
        raise _invalid(folder, f"config.json has {named[0]}, which is not followed; save the model without it")
    return {
        key: _plain(item, folder)
        for key, item in value.items()
        if key not in _IGNORED | _REFUSED and not (key in _ATTENTION and item not in _PLAIN_ATTENTION)
    }


def _weights_of(folder: Path) -> tuple[int, int]:
    """Numbers and tensors in the folder's safetensors files, by their headers."""
    numbers = tensors = 0
    with foreign(folder, "the weights"):
        for path in folder.glob("*.safetensors"):
            with safe_open(path, "pt") as file:
                names = list(file.keys())
                numbers += sum(math.prod(file.get_slice(name).get_shape()) for name in names)
                tensors += len(names)
    return numbers, tensors


def _check_processor(content: dict[str, Any], folder: Path) -> None:
    """Raise InvalidFileError for sizes that no picture and no stretch of sound here has."""
    for name, value in _numbers(content):
        sized = "size" in name or name in ("height", "width", "shortest_edge", "longest_edge")
        if not abs(value) <= (_PICTURE if sized and name != "feature_size" else _SAMPLES):
            raise _invalid(folder, f"preprocessor_config.json: {name} is {value:g}, which is beyond all use")


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number in nested settings, with the name that it has."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value


def _name_unexpected(folder: Path, model: Any, names: list[str]) -> None:
    """Weights of a head are no news. Those of a part that the model has are: more layers than its settings say."""
    prefix = f"{model.base_model_prefix}."
    bodies = dict(model.named_children())
    odd = sorted(name for name in names if name.removeprefix(prefix).split(".")[0] in bodies)
    if odd:
        _LOG.warning("%s: %d weights in its files are not used (%s).", folder, len(odd), _some(odd))


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _invalid(folder: Path, reason: str) -> InvalidFileError:
    return InvalidFileError(f"The model in {folder}: {reason}. Give another copy of it.")
