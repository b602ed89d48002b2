"""Audio fingerprints: the same recording is known again after re-encoding, gain and small trims.

After Haitsma & Kalker (2002), "A Highly Robust Audio Fingerprinting System" (ISMIR): 32 bits a frame, each the
sign of how the energy difference of two neighbouring bands (33 of them, 300 to 2000 Hz) changes from one frame
to the next. Theirs are frames of 370 ms every 11.6 ms, for music; utterances are short, so ours are of 200 ms
every 8 ms, which tell two takes of one sentence apart better.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
from threadpoolctl import threadpool_limits

from tricue.device import cores
from tricue.media.decoding import SAMPLE_RATE, MediaError, decode
from tricue.progress import Bar
from tricue.types import InputError

SAME = 0.2  # bit error up to which two fingerprints are of one recording; see same_recordings
MIN_FRAMES = 75  # that say something, 0.8 s of sound; two shorter clips can agree by chance
MAX_SHIFT = 31  # frames, 0.248 s: how much later the sound may begin in the copy
MAX_SECONDS = 30.0  # of a file; the rest is not read
SILENT = np.uint32(0)  # the value of a frame that says nothing

_WINDOW, _HOP = 3200, 128  # samples: 200 ms, 8 ms
_FFT = 4096
_EDGES = np.searchsorted(np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE), np.geomspace(300, 2000, 34))
_TAPER = np.hanning(_WINDOW).astype(np.float32)
_FLOOR = 1e-8  # mean square of the loudest frame, -80 dB of full scale: below is silence
_QUIET = 1e-5  # share of the loudest frame's energy (-50 dB) below which a frame says nothing
_STEADY = 1e-3  # share of its energy that a frame has to change by: a hum has no marks to know it by
_OVERLAP = 0.7  # share of the shorter one's frames that have to be compared
_NEAR = 0.35  # bit error at a rough alignment from which it is worth trying its neighbours
_AROUND = 3  # frames by which that alignment may be off
_NEXT = 24  # frames of one value that a frame is paired with
_AT_ONCE = 4096  # pairs compared in one step: bounds memory

_FEW = 24  # clips that one process is done with before another has started
_BATCH = 16  # clips handed to a process at once

Job = tuple[Path, float | None, float | None]  # file, start, end (seconds; None: its beginning, its end)


@dataclass(frozen=True)
class Recording:
    """What a job gave. Where `fingerprint` is None the clip is silent, or `reason` says why it can't be heard.

    One with less than 0.8 s of sound has a fingerprint, but same_recordings makes nothing of it.
    """

    fingerprint: np.ndarray | None  # (frames,) uint32
    silent: bool = False  # no 0.2 s of it exceed -80 dB of full scale
    reason: str | None = None  # no audio stream, or it does not decode


def fingerprint(wave: np.ndarray) -> np.ndarray:
    """(frames,) uint32 of (samples,) float32 at 16 kHz mono; one frame every 8 ms, none beyond the ends.

    A frame that says nothing is SILENT (0): 50 dB or more below the loudest, or steady. A clip without sound
    between 300 and 2000 Hz above -80 dB of full scale, or shorter than 208 ms, gives an empty array.
    """
    if wave.size < _WINDOW + _HOP:
        return np.zeros(0, np.uint32)
    energies = _band_energies(wave)
    loudness = energies.sum(1)
    if loudness.max() < _FLOOR:
        return np.zeros(0, np.uint32)
    changes = np.diff(energies, axis=0)
    bits = np.ascontiguousarray(changes[:, :-1] > changes[:, 1:])
    marks = np.packbits(bits, axis=1, bitorder="little").view("<u4").reshape(-1).astype(np.uint32)
    loud = loudness[1:] >= max(_FLOOR, _QUIET * loudness.max())
    moving = np.abs(changes).sum(1) >= _STEADY * loudness[1:]
    return np.where(loud & moving, marks, SILENT)


def _band_energies(wave: np.ndarray) -> np.ndarray:
    """(frames, 33) mean square of the wave in each band."""
    frames = np.lib.stride_tricks.sliding_window_view(wave.astype(np.float32, copy=False), _WINDOW)[::_HOP]
    bands = []
    for first in range(0, len(frames), 512):  # a long clip's spectra would be hundreds of megabytes
        spectra = scipy.fft.rfft(frames[first : first + 512] * _TAPER, _FFT, axis=1)
        power = spectra.real**2 + spectra.imag**2
        bands.append(np.add.reduceat(power[:, : _EDGES[-1]], _EDGES[:-1], axis=1))
    return np.concatenate(bands) * (2 / _FFT / np.square(_TAPER).sum())


def fingerprint_files(jobs: Sequence[Job], workers: int | None = None, progress: bool = True) -> list[Recording]:
    """A Recording per job, in order; what cannot be had is a reason, never an error.

    workers: processes; None is one per core (none for a few clips), 0 or 1 is this process.
    Raises InputError where a process was killed.
    """
    if workers is None:
        workers = cores() if len(jobs) > _FEW else 0
    with Bar(progress) as bar, ExitStack() as held:
        bar.begin("fingerprints", len(jobs))
        found: Iterator[Recording] = map(_record, jobs)
        if workers > 1:
            context = multiprocessing.get_context("spawn")  # a forked copy of a threaded torch can hang
            pool = ProcessPoolExecutor(workers, context, initializer=threadpool_limits, initargs=(1,))
            held.callback(pool.shutdown, cancel_futures=True)  # stopped early: decode no more
            found = pool.map(_record, jobs, chunksize=_BATCH)
        try:
            return [bar.passed(recording) for recording in found]
        except BrokenProcessPool as error:
            raise InputError(
                "A process that takes audio fingerprints was killed: too little memory, or a clip that breaks "
                "the decoder."
            ) from error


def _record(job: Job) -> Recording:
    path, start, end = job
    try:
        clip = decode(path, start=start, end=end, max_seconds=MAX_SECONDS)
    except MediaError as error:
        return Recording(None, reason=error.reason)
    if clip.audio is None:
        return Recording(None, reason=clip.faults["audio"])
    blocks = np.arange(0, clip.audio.size, _WINDOW)
    sizes = np.diff(blocks, append=clip.audio.size)
    if (np.add.reduceat(np.square(clip.audio), blocks) / sizes).max() < _FLOOR:
        return Recording(None, silent=True)
    return Recording(fingerprint(clip.audio))


def same_recordings(fingerprints: Sequence[np.ndarray | None]) -> list[tuple[int, int, float]]:
    """(i, j, bit error) with i < j, sorted: pairs that hold the same recording.

    Bit error: share of unequal bits, at the best of the alignments that differ by up to 0.25 s. The largest of
    copies and the smallest of different recordings (two takes of a sentence by one speaker), on RAVDESS's
    training speakers, between which SAME lies:

        AAC 64k  MP3 32k  Opus 32k | different
        0.09     0.12     0.18     | 0.28        whole clips (3 to 5 s), up to 0.19 s cut from the copy
        0.10     0.14     0.19     | 0.21        0.8 s of them, up to 0.05 s cut

    Two clips are compared where a frame of theirs is equal in all 32 bits. After AAC and MP3 every whole copy has
    one; after Opus 2 of 1,200 have none, and 3% of those of 0.8 s.
    Of three or more copies of one recording, every one is connected with the others through pairs, but not every
    two are a pair: for the groups, take connected components.
    Not found: clips with less than 0.8 s of sound (MIN_FRAMES), and a clip from inside a longer recording,
    unless it begins within 0.25 s of the longer one's beginning.
    """
    first: dict[bytes, int] = {}
    distinct, copies = [], []
    for i, marks in enumerate(fingerprints):
        if marks is None or np.count_nonzero(marks) < MIN_FRAMES:
            continue
        known = first.setdefault(marks.astype(np.uint32).tobytes(), i)
        if known == i:
            distinct.append(marks)
        else:
            copies.append((known, i, 0.0))
    clips = list(first.values())
    if distinct:
        copies += [(clips[i], clips[j], error) for i, j, error in _Table(distinct).pairs()]
    return sorted((min(i, j), max(i, j), error) for i, j, error in copies)


_Aligned = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # clips left and right, shift, bit error


def _best(found: Sequence[_Aligned]) -> _Aligned:
    """Each pair once, at the shift of its least error."""
    left, right, shift, errors = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((shift, errors, right, left))
    left, right, shift, errors = left[order], right[order], shift[order], errors[order]
    first = np.ones(left.size, bool)
    first[1:] = (np.diff(left) != 0) | (np.diff(right) != 0)
    return left[first], right[first], shift[first], errors[first]


class _Table:
    """All fingerprints in one row, with an inverted index: frames of one value stand side by side."""

    def __init__(self, fingerprints: Sequence[np.ndarray]) -> None:
        self.sizes = np.array([marks.size for marks in fingerprints])
        self.begins = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        outside = [SILENT]  # the last value: of a frame that lies in no clip
        self.marks = np.concatenate([*fingerprints, outside]).astype(np.uint32)
        self.said = np.array([np.count_nonzero(marks) for marks in fingerprints])

    def pairs(self) -> list[tuple[int, int, float]]:
        """(i, j, bit error) of the candidates that are the same recording, at their best alignment."""
        known, found = np.zeros(0, np.int64), []
        for left, right, shift in self._candidates():
            new = np.isin(left * self.sizes.size + right, known, invert=True)
            left, right, shift, errors = self._within(_NEAR, left[new], right[new], shift[new])
            found.append((left, right, shift, errors))
            same = errors <= SAME
            known = np.union1d(known, (left * self.sizes.size + right)[same])
        if not found:
            return []
        left, right, shift, _ = _best(found)
        around = range(-_AROUND, _AROUND + 1)
        left, right, _, errors = _best([self._within(SAME, left, right, shift + by) for by in around])
        return list(zip(left.tolist(), right.tolist(), errors.tolist(), strict=True))

    def _within(self, limit: float, left: np.ndarray, right: np.ndarray, shift: np.ndarray) -> _Aligned:
        """Those of the pairs that agree up to a bit error of `limit`, and their bit errors."""
        errors = self._errors(left, right, shift)
        kept = errors <= limit
        return left[kept], right[kept], shift[kept], errors[kept]

    def _candidates(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Clips left, right and the shift at which a frame of theirs is equal, every such triple once a round.

        Frames are sorted by value and place in their clip; round k pairs each with the k-th after it while
        value and place fit. A value that very many clips have is so paired with _NEXT neighbours only: the
        work is bounded, and other frames of a true pair are rarer.
        """
        values, places, owners = self._frames()
        active = np.arange(values.size)
        for step in range(1, _NEXT + 1):
            active = active[active + step < values.size]
            there = active + step
            fits = (values[active] == values[there]) & (places[there] - places[active] <= MAX_SHIFT)
            active = active[fits]
            if not active.size:
                return
            there = active + step
            yield self._triples(owners[active], owners[there], places[there] - places[active])

    def _triples(self, one: np.ndarray, other: np.ndarray, later: np.ndarray) -> tuple[np.ndarray, ...]:
        """`later`: frames by which the equal frame comes later in `other`."""
        apart = one != other
        one, other, later = one[apart].astype(np.int64), other[apart].astype(np.int64), later[apart]
        later = np.where(one < other, later, -later)
        spread, n = 2 * MAX_SHIFT + 1, self.sizes.size
        keys = np.unique((np.minimum(one, other) * n + np.maximum(one, other)) * spread + later + MAX_SHIFT)
        return keys // spread // n, keys // spread % n, keys % spread - MAX_SHIFT

    def _frames(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value, place and clip of the frames that say something, the first of each run of equal ones."""
        marks = self.marks[:-1]
        owners = np.repeat(np.arange(self.sizes.size, dtype=np.int32), self.sizes)
        places = (np.arange(marks.size) - np.repeat(self.begins, self.sizes)).astype(np.int32)
        fresh = (marks != SILENT) & ((places == 0) | (marks != np.roll(marks, 1)))
        marks, places, owners = marks[fresh], places[fresh], owners[fresh]
        order = np.argsort(marks.astype(np.uint64) << np.uint64(32) | places.astype(np.uint64), kind="stable")
        return marks[order], places[order], owners[order]

    def _errors(self, left: np.ndarray, right: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """(pairs,) bit error where frame t of `left` meets frame t + shift of `right`; 1 for too few frames."""
        errors = np.ones(left.size)
        for rows in np.array_split(np.argsort(self.sizes[left], kind="stable"), left.size // _AT_ONCE + 1):
            times = np.arange(self.sizes[left[rows]].max(initial=0))
            one = self._marks(left[rows], np.broadcast_to(times, (rows.size, times.size)))
            other = self._marks(right[rows], times + shift[rows, None])
            both = (one != SILENT) & (other != SILENT)
            unequal, count = (np.bitwise_count(one ^ other) * both).sum(1), both.sum(1)
            enough = count >= _OVERLAP * np.minimum(self.said[left[rows]], self.said[right[rows]])
            errors[rows] = np.where(enough, unequal / (32 * np.maximum(count, 1)), 1.0)
        return errors

    def _marks(self, clips: np.ndarray, times: np.ndarray) -> np.ndarray:
        """(clips, times) values of frames; SILENT outside of the clip."""
        inside = (times >= 0) & (times < self.sizes[clips][:, None])
        return self.marks[np.where(inside, self.begins[clips][:, None] + times, -1)]
