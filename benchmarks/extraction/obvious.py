"""The obvious way: each clip and each feature by itself, as a script would, from the file every time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class Models:
    """What a script loads once."""

    tokenizer: Any
    text: Any
    hearing: Any
    speech: Any
    images: Any
    seeing: Any


def load_models(chosen: dict[str, Any]) -> Models:
    import torch
    from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()

    def model(modality: str) -> Any:
        return AutoModel.from_pretrained(chosen[f"{modality}.encoder"], dtype=torch.float32).eval()

    return Models(
        AutoTokenizer.from_pretrained(chosen["text.encoder"]),
        model("text"),
        AutoFeatureExtractor.from_pretrained(chosen["audio.encoder"]),
        model("audio").get_encoder(),
        AutoImageProcessor.from_pretrained(chosen["video.encoder"]),
        model("video"),
    )


def obvious_text(models: Models, text: str) -> np.ndarray:
    coded = models.tokenizer(text, return_tensors="pt")
    return models.text(**coded).last_hidden_state[0, 1:-1].numpy()


def obvious_wav(path: Path, wav: Path) -> None:
    """As `ffmpeg -i PATH -ar 16000 -ac 1 WAV` does."""
    import av
    import soundfile

    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    parts = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            parts += resampler.resample(frame)
    parts += resampler.resample(None)
    soundfile.write(wav, np.concatenate([part.to_ndarray()[0] for part in parts]), 16_000, subtype="PCM_16")


def obvious_speech(models: Models, wav: Path, layer: int, form: str) -> tuple[np.ndarray, float]:
    """(frames, 384) of the layer, padding left out, and the seconds of the sound."""
    import librosa
    import torch

    wave, rate = librosa.load(wav, sr=16_000)
    coded = models.hearing(wave, sampling_rate=rate, return_tensors="pt", padding="max_length")
    values, encoder = coded.input_features, models.speech
    frames = -(-wave.size // 320)
    if form == "30s":
        states = encoder(values, output_hidden_states=True).hidden_states[layer][0]
        return states[:frames].numpy(), wave.size / rate
    table, limit = encoder.embed_positions, encoder.config.max_source_positions
    encoder.embed_positions = torch.nn.Embedding.from_pretrained(table.weight[:frames])
    encoder.config.max_source_positions = frames
    values = models.hearing(np.pad(wave, (0, -wave.size % 320)), sampling_rate=rate, return_tensors="pt", padding=False)
    states = encoder(values.input_features, output_hidden_states=True).hidden_states[layer][0]
    encoder.embed_positions, encoder.config.max_source_positions = table, limit
    return states.numpy(), wave.size / rate


def obvious_acoustic(wav: Path) -> list[np.ndarray]:
    """MFCC, spectral features, pitch with voicing: each from the file, with tricue's parameters."""
    import librosa

    feature, window = librosa.feature, {"n_fft": 512, "hop_length": 320, "center": False}

    def around(wave: np.ndarray, frame: int) -> np.ndarray:
        margin = (frame - 320) // 2
        return np.pad(wave, (margin, margin + -len(wave) % 320))

    wave, rate = librosa.load(wav, sr=16_000)
    mfcc = feature.mfcc(y=around(wave, 512), sr=rate, n_mfcc=25, n_mels=64, **window)

    wave, rate = librosa.load(wav, sr=16_000)
    padded = around(wave, 512)
    magnitude = np.abs(librosa.stft(padded, **window))
    mel = librosa.power_to_db(feature.melspectrogram(S=magnitude**2, sr=rate, n_mels=64))
    spectral = [
        feature.spectral_centroid(S=magnitude, sr=rate),
        feature.spectral_bandwidth(S=magnitude, sr=rate),
        feature.spectral_rolloff(S=magnitude, sr=rate),
        np.log10(feature.spectral_flatness(S=magnitude)),
        feature.zero_crossing_rate(padded, frame_length=512, hop_length=320, center=False),
        np.log10(feature.rms(S=magnitude, frame_length=512) + 1e-6),
    ]
    onset = librosa.onset.onset_strength(S=mel, sr=rate, hop_length=320, center=False)

    wave, rate = librosa.load(wav, sr=16_000)
    padded = around(wave, 1024)
    pitch = librosa.yin(padded, fmin=65, fmax=600, sr=rate, frame_length=1024, hop_length=320, center=False)
    frames = librosa.util.frame(padded, frame_length=1024, hop_length=320, axis=0)
    power = np.abs(np.fft.rfft(frames, 2048)) ** 2
    correlation, lag = np.fft.irfft(power), np.round(rate / pitch).astype(int)
    voicing = correlation[np.arange(len(lag)), lag] * (1024 / (1024 - lag)) / (correlation[:, 0] + 1e-8)
    return [mfcc, *spectral, np.log(pitch)[None], voicing[None], onset[None]]


def obvious_audio(models: Models, path: Path, wav: Path, layer: int, form: str) -> np.ndarray:
    """(T, 384 + 34): every stream averaged over a tenth of a second."""
    from tricue.extractors.acoustic import average, cells

    obvious_wav(path, wav)
    states, seconds = obvious_speech(models, wav, layer, form)
    beside = np.vstack(obvious_acoustic(wav)).T
    count = cells(round(seconds * 16_000), 10.0)
    grids = [average(frames, (np.arange(len(frames)) + 0.5) * 0.02, count, 10.0) for frames in (states, beside)]
    return np.hstack(grids)


def obvious_times(path: Path, count: int) -> list[float]:
    """One pass over the file: in each equal part of it the time of the frame of highest gray-level entropy."""
    import av
    from av.video.reformatter import VideoReformatter

    gray, found = VideoReformatter(), []  # one for all frames: cheaper than frame.to_ndarray(format="gray")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            shares = np.bincount(gray.reformat(frame, format="gray").to_ndarray().ravel(), minlength=256)
            shares = shares[shares > 0] / shares.sum()
            found.append((frame.time, -(shares * np.log2(shares)).sum()))
        ends = float((stream.start_time + stream.duration) * stream.time_base)
    times, entropies = np.array(found).T
    low = times.min() - 1e-4
    parts = np.minimum(count - 1, (times - low) * count / (ends - 1e-4 - low)).astype(int)
    return [float(times[parts == k][np.argmax(entropies[parts == k])]) for k in np.unique(parts)]


def obvious_frames(path: Path, times: Sequence[float]) -> Iterator[np.ndarray]:
    """A seek per frame: to the key frame before it, and decode up to it."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for wanted in times:
            container.seek(round(wanted / stream.time_base), stream=stream)
            frame = next(f for f in container.decode(stream) if f.time >= wanted - 1e-4)
            yield frame.to_ndarray(format="rgb24")


def obvious_video(models: Models, path: Path, count: int = 10) -> np.ndarray:
    vectors = []
    for picture in obvious_frames(path, obvious_times(path, count)):
        coded = models.images(images=picture, return_tensors="pt", input_data_format="channels_last")
        vectors.append(models.seeing(**coded).pooler_output.flatten().numpy())
    return np.stack(vectors)
