"""Damage to files that are valid, and a place to try what comes of it: a child process, whose death is a failure.

$TRICUE_FUZZ says how many files each fuzz test makes where it is run in full (`make fuzz`); `make test` makes QUICK.
"""

import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

QUICK = 60
FILES = int(os.environ.get("TRICUE_FUZZ", "500"))
COUNTS = [QUICK, pytest.param(FILES, marks=pytest.mark.slow)]  # of a fuzz test
BATCH = 500  # examples of one child: what one leaves behind does not pile up
SECONDS = 60  # that one example may take, however busy the machine is
MEMORY = 6 * 2**30  # that a child may ask for beyond its parent's: more is a MemoryError

Damage = Callable[[np.random.Generator, bytearray], None]


def flip(rng: np.random.Generator, content: bytearray) -> None:
    """Some bytes anywhere."""
    for at in rng.integers(0, len(content), int(rng.integers(1, 60))):
        content[at] = int(rng.integers(0, 256))


def flip_bit(rng: np.random.Generator, content: bytearray) -> None:
    """One bit, as a disk or a cable does it."""
    content[int(rng.integers(0, len(content)))] ^= 1 << int(rng.integers(8))


def flip_head(rng: np.random.Generator, content: bytearray) -> None:
    """Some bytes where a header says what there is."""
    for at in rng.integers(0, min(len(content), 400), int(rng.integers(1, 12))):
        content[at] = int(rng.integers(0, 256))


def flip_tail(rng: np.random.Generator, content: bytearray) -> None:
    """The same of the end, where an MP4 has its tables."""
    for at in rng.integers(max(0, len(content) - 1_500), len(content), int(rng.integers(1, 12))):
        content[at] = int(rng.choice([0, 1, 127, 128, 255]))


def cut(rng: np.random.Generator, content: bytearray) -> None:
    del content[int(rng.integers(1, max(len(content), 2))) :]


def take_out(rng: np.random.Generator, content: bytearray) -> None:
    at = int(rng.integers(0, len(content)))
    del content[at : at + int(rng.integers(1, 2_000))]


def put_twice(rng: np.random.Generator, content: bytearray) -> None:
    at, length = int(rng.integers(0, len(content))), int(rng.integers(1, 5_000))
    content[at:at] = content[at : at + length]


def put_noise(rng: np.random.Generator, content: bytearray) -> None:
    at = int(rng.integers(0, len(content)))
    noise = rng.bytes(int(rng.integers(1, 3_000)))
    content[at : at + len(noise)] = noise


DAMAGE: list[Damage] = [flip, flip_head, flip_tail, cut, take_out, put_twice, put_noise]


def damaged(rng: np.random.Generator, content: bytes, kinds: Sequence[Damage] = DAMAGE, most: int = 3) -> bytes:
    """The content after one to `most` kinds of damage."""
    harmed = bytearray(content)
    for _ in range(int(rng.integers(1, most + 1))):
        kinds[int(rng.integers(len(kinds)))](rng, harmed)
        if not harmed:
            break
    return bytes(harmed)


ODD_VALUES: list[Any] = [
    None, True, False, -1, 0, 1, 2, 3, 10**6, 10**9, 2**63, 10**30, 0.0, -0.5, 1e-300, 1e300, float("nan"),
    float("inf"), "", "x", "text", " ", "\x00", "\ud800", "../..", "x" * 20_000, [], {}, [[]], [1], ["a", "a"], {"": 0},
]  # fmt: skip


def changed_json(rng: np.random.Generator, content: Any) -> Any:
    """The same tree with one value, at any depth, made odd, left out or moved to another name."""
    tree = json.loads(json.dumps(content))
    places = [(holder, key) for holder in _holders(tree) for key in _keys(holder)]
    holder, key = places[int(rng.integers(len(places)))]
    kind = int(rng.integers(6))
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif kind == 2 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = holder[key] * float(rng.choice([-1.0, 0.5, 2.0, 16.0, 1e6]))
        if rng.random() < 0.5 and np.isfinite(holder[key]):
            holder[key] = int(holder[key])
    elif kind == 3:
        holder[key] = _nested(int(rng.choice([3, 70, 300])))
    else:
        holder[key] = ODD_VALUES[int(rng.integers(len(ODD_VALUES)))]
    return tree


def _holders(tree: Any) -> list[Any]:
    found = [tree] if isinstance(tree, dict | list) and tree else []
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        found += _holders(value)
    return found


def _keys(holder: Any) -> list[Any]:
    return list(holder) if isinstance(holder, dict) else list(range(len(holder)))


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def written(tree: Any) -> bytes:
    """JSON; half a surrogate pair is an escape in it."""
    return json.dumps(tree).encode()


def survived(count: int, check: Callable[[int], bool]) -> int:
    """Run check(number) for every number below `count` in children of this process; of how many it was true.

    An exception, a death (an abort of a library, too much memory) and an example beyond SECONDS are failures that name
    the number. The child is a fork: what the test has made is there.
    """
    true = 0
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _examples(writing, numbers, check)
        os.close(writing)
        told = _all_of(reading)
        _, status = os.waitpid(child, 0)
        signs, _, trace = told.partition("!")
        if status != 0:
            example = numbers[max(signs.count("?") - 1, 0)]
            how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
            pytest.fail(f"example {example}: {how}\n{trace}")
        true += signs.count("y")
    return true


def _examples(writing: int, numbers: range, check: Callable[[int], bool]) -> None:
    """In the child, which never returns: a sign before each example, its answer behind it."""
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends native code, too
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        if "torch" in sys.modules:  # the threads of its pool are not forked: work for them would wait for ever
            sys.modules["torch"].set_num_threads(1)
        for number in numbers:
            signal.alarm(SECONDS)
            os.write(writing, b"?")
            os.write(writing, b"y" if check(number) else b"n")
        status = 0
    except BaseException:  # noqa: BLE001  whatever it is, the parent tells it
        os.write(writing, b"!" + traceback.format_exc()[-3_000:].encode(errors="replace"))
    finally:
        os._exit(status)


def _all_of(reading: int) -> str:
    content = b""
    while part := os.read(reading, 65_536):
        content += part
    os.close(reading)
    return content.decode(errors="replace")
