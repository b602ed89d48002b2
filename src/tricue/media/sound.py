"""One stream's sound, resampled to 16 kHz mono: what `media.decode` feeds decoded frames into."""

from typing import Any

import av
import numpy as np

from tricue.media.downmix import MAX_CHANNELS, DownMix

SAMPLE_RATE = 16_000
PREROLL = 0.5  # seconds read before the beginning: an AAC frame needs the one before it
RATES = (1_000, 768_000)  # samples per second; made 16 kHz, a second of one at 1 Hz would grow to gigabytes
_HOLE = 0.1  # seconds without sound from which a stream is silent there; times are not exact to less
_BREAK = 10.0  # seconds from which a jump is no silence but a change of the clock (joined or damaged files)


class Sound:
    """Collects [low, high) of a stream, resampled; what exceeds `max_seconds` is not held.

    Where frames are lost or the stream pauses, it is silent. Several channels become one as DownMix says.
    """

    def __init__(self, low: float, high: float | None, max_seconds: float | None) -> None:
        self.low, self.high, self.max_seconds = low, high, max_seconds
        self.until = low  # the latest end of a frame taken
        self.silence = 0.0  # seconds held that are in no frame
        self._begins = 0.0  # time of the first sample held
        self._ends = 0.0  # time at which the frame taken last ends
        self._parts: list[np.ndarray] = []
        self._samples = 0
        self._surplus = 0.0  # seconds by which the last frame is longer than the file says
        self._form: tuple[str, str, int] | None = None
        self._resampler: Any = None
        self._mix = DownMix(["FC"])
        self._cancelled = 0  # samples of former mixes whose channels cancel

    @property
    def note(self) -> str | None:
        """What was made of channels that cancel one another; None where none do. To be asked after `wave`."""
        seconds = (self._cancelled + self._mix.cancelled) / SAMPLE_RATE
        cancelled = f"its channels cancel one another for {seconds:.1f} s: the louder one is read"
        return cancelled if seconds else None

    def add(self, frame: Any, time: float) -> bool:
        """Take a decoded frame (av.AudioFrame); True once the span is over. Raises ValueError for no usable sound."""
        if not RATES[0] <= frame.sample_rate <= RATES[1]:
            raise ValueError(f"it has {frame.sample_rate:,} samples per second")
        if frame.layout.nb_channels > MAX_CHANNELS:
            raise ValueError(_not_mixed(frame))
        lasts = frame.samples / frame.sample_rate
        if time + lasts < self.low - PREROLL / 2:
            return False
        if self.high is not None and time > self.high + PREROLL:
            self.until = max(self.until, self.high)
            return True
        stated = float(frame.duration * frame.time_base) if frame.duration else lasts
        self._surplus = max(0.0, lasts - stated)
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        hole = 0.0 if self._form is None else time - self._ends
        hole = hole if _HOLE < hole < _BREAK else 0.0
        if form == self._form and self._resampler is not None and not hole:
            self._take(self._resampler.resample(frame))
        else:  # some streams change in the middle, which one resampler does not follow
            self._flush()
            self._begins = time if self._form is None else self._begins
            self._start(frame, form, hole)
        self._ends = time + lasts
        self.until = max(self.until, self._ends)
        held = self._begins + self._samples / SAMPLE_RATE
        full = self.max_seconds is not None and held > self.low + self.max_seconds + PREROLL
        return full or (self.high is not None and held >= self.high + PREROLL)

    def wave(self) -> np.ndarray:
        """(samples,) float32. What a codec added to fill its last frame is cut off, as players do."""
        self._flush()
        wave = np.concatenate([*self._parts, np.zeros(0, np.float32)])
        wave = wave[: max(0, wave.size - round(self._surplus * SAMPLE_RATE))]
        begin = max(0, round((self.low - self._begins) * SAMPLE_RATE))
        stop = None if self.high is None else max(0, round((self.high - self._begins) * SAMPLE_RATE))
        return wave[begin:stop]

    def _start(self, frame: Any, form: tuple[str, str, int], hole: float) -> None:
        """Begin anew after `hole` seconds of silence."""
        layout = frame.layout
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=SAMPLE_RATE)
        try:
            frames = resampler.resample(frame)
        except av.error.FFmpegError as error:
            raise ValueError(_not_mixed(frame)) from error
        silence = np.zeros(round(hole * SAMPLE_RATE), np.float32)
        self._parts.append(silence)
        self._samples += silence.size
        self.silence += hole
        self._mix = DownMix([channel.name for channel in layout.channels])
        self._take(frames)
        self._resampler, self._form = resampler, form

    def _flush(self) -> None:
        if self._resampler is not None:
            self._take(self._resampler.resample(None))
            self._resampler = None
            self._parts += self._mix.flush()
            self._cancelled, self._mix.cancelled = self._cancelled + self._mix.cancelled, 0

    def _take(self, frames: list[Any]) -> None:
        for frame in frames:
            sound = frame.to_ndarray().astype(np.float32, copy=False)
            self._samples += sound.shape[1]
            self._parts += self._mix.add(sound)


def _not_mixed(frame: Any) -> str:
    return f"its {frame.layout.nb_channels} channels at {frame.sample_rate:,} Hz are not mixed"
