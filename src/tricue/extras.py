"""Extras of the package: what not everybody needs, and how to get it."""

from importlib.util import find_spec

from tricue.types import InputError

EXTRAS = {  # what is imported of each; pyproject.toml has their versions
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "ray": ("ray",),
    "serve": ("fastapi", "starlette", "uvicorn", "h11", "python_multipart", "prometheus_client"),
}


def check_extra(extra: str, what: str, instead: str = "", only: str | None = None) -> None:
    """Raise InputError where `what` cannot be had, because packages of `extra` are not installed.

    instead: how to do without. only: the one package that is needed.
    """
    missing = [name for name in EXTRAS[extra] if only in (None, name) and find_spec(name) is None]
    if missing:
        remedy = f'pip install "tricue[{extra}]"' + (f", or {instead}" if instead else "")
        raise InputError(f"{what} needs {', '.join(missing)}, an extra of the package: {remedy}.")
