"""RAVDESS speech (Livingstone and Russo, 2018, doi:10.1371/journal.pone.0196391): 24 actors say two sentences.

Published (doi:10.5281/zenodo.1188976): `Audio_Speech_Actors_01-24.zip` with `Actor_01/03-01-...-01.wav` and
`Video_Speech_Actor_01.zip` to `_24` with `Actor_01/01-01-...-01.mp4` (picture and sound) and `02-01-...-01.mp4`
(picture alone). Seven numbers name a file: modality (01 both, 02 video, 03 audio), channel (01 speech, 02 song),
emotion (01 to 08), intensity (01 normal, 02 strong), statement, repetition, actor. Two repetitions of two statements
in eight emotions and two intensities, neutral in one only: 60 recordings of each actor, 1,440 in all. The songs of the
zips beside are left out. The folders do not matter, only the names: flac copies in one folder are read as well.

Known defect: `03-01-03-01-02-01-07` and `03-01-03-01-02-02-07` are the same recording, as published.

Split: none is published. Here actors 01 to 16 are train, 17 to 20 val, 21 to 24 test (women and men are even in each);
the protocols `loso` and `kfold-speaker` deal by actor, too.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tricue.config import Config
from tricue.data.corpus import Corpus, Count, not_the_corpus
from tricue.data.reading import choose_labels, files_below, some
from tricue.types import Cue, Fault, InputError, Split, Utterance

EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "joy", "04": "sadness",
    "05": "anger", "06": "fear", "07": "disgust", "08": "surprise",
}  # fmt: skip
LABEL_SETS = {"emotions": tuple(EMOTIONS.values())}
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
BOTH, PICTURE, SOUND = "01", "02", "03"  # modality
ENDINGS = {BOTH: (".mp4",), PICTURE: (".mp4",), SOUND: (".wav", ".flac")}
SONG = "02"
ACTORS = 24
RECORDINGS_PER_ACTOR = 60
LAST_TRAIN_ACTOR, LAST_VAL_ACTOR = 16, 20
SAME_RECORDING = ("01-03-01-02-01-07", "01-03-01-02-02-07")  # without the modality

NAME = re.compile(
    r"(?P<modality>0[1-3])-(?P<code>(?P<channel>0[12])-(?P<emotion>0[1-8])-0[12]-(?P<statement>0[12])-0[12]"
    r"-(?P<actor>0[1-9]|1\d|2[0-4]))",
    re.ASCII,
)


@dataclass(frozen=True)
class Recordings:
    """The speech files: recording (its name without the modality) -> modality -> file; and what else lies there."""

    speech: dict[str, dict[str, Path]]
    songs: int
    others: list[str]


def read(source: Path, config: Config) -> Corpus:
    """One row per speech recording anywhere below `source`, by actor and name.

    Audio is the 03 file, else the 01 clip; video the 01 clip, else the 02 clip; the id is the name of the first of
    them. A recording without one of the cues that others of its actor have gets a Fault; an actor without a cue
    altogether (the zips are published one by one) is a note.
    Raises InputError where there is no recording, where a name stands twice, for an unknown label set and for
    emotions that leave out one of the corpus.
    """
    _, emotions = choose_labels("RAVDESS", LABEL_SETS, config, whole=True)
    recordings = _find(source)
    if not recordings.speech:
        raise not_the_corpus(
            "RAVDESS speech recordings",
            source,
            "names such as Actor_12/03-01-06-01-02-01-12.wav in it or in folders below",
            "Download Audio_Speech_Actors_01-24.zip (and Video_Speech_Actor_01.zip to _24.zip for the faces) from "
            "https://zenodo.org/records/1188976, unpack them, give their folder (SOURCE or --data_dir)",
        )
    utterances = [_utterance(code, files) for code, files in recordings.speech.items()]
    corpus = Corpus("RAVDESS", utterances, emotions=emotions)
    corpus.faults.extend(_faults(utterances))
    actors = Counter(row.speaker for row in utterances)
    with_sound = sum(row.audio is not None for row in utterances)
    corpus.counts.append(Count("speech recordings with sound", with_sound, ACTORS * RECORDINGS_PER_ACTOR))
    corpus.counts.append(Count("actors", len(actors), ACTORS))
    corpus.notes.extend(_notes(recordings, utterances))
    return corpus


def _find(source: Path) -> Recordings:
    """All files below `source` by what their names say. Raises InputError where one name stands twice."""
    speech: dict[str, dict[str, Path]] = defaultdict(dict)
    songs, others = 0, []
    for path in files_below(source.resolve()):
        name = NAME.fullmatch(path.stem)
        if name is None or path.suffix.lower() not in ENDINGS[name["modality"]]:
            if path.suffix.lower() in (".wav", ".flac", ".mp4"):
                others.append(path.name)
            continue
        if name["channel"] == SONG:
            songs += 1
            continue
        other = speech[name["code"]].setdefault(name["modality"], path)
        if other != path:
            raise InputError(f"{path.stem} stands twice in {source}: {other} and {path}. Keep one of them.")
    ordered = dict(sorted(speech.items(), key=lambda item: (item[0][-2:], item[0])))
    return Recordings(ordered, songs, others)


def _utterance(code: str, files: dict[str, Path]) -> Utterance:
    audio, video = files.get(SOUND) or files.get(BOTH), files.get(BOTH) or files.get(PICTURE)
    first = audio or video
    assert first is not None  # a recording has at least one file
    name = NAME.fullmatch(first.stem)
    assert name is not None
    return Utterance(
        id=first.stem,
        text=STATEMENTS[name["statement"]],
        audio=audio,
        video=video,
        emotion=EMOTIONS[name["emotion"]],
        speaker=name["actor"],
        split=_split(int(name["actor"])),
    )


def _split(actor: int) -> Split:
    if actor <= LAST_TRAIN_ACTOR:
        return "train"
    return "val" if actor <= LAST_VAL_ACTOR else "test"


def _actors_with(cue: Cue, utterances: list[Utterance]) -> set[str | None]:
    return {row.speaker for row in utterances if getattr(row, cue) is not None}


def _faults(utterances: list[Utterance]) -> Iterator[Fault]:
    heard, seen = _actors_with("audio", utterances), _actors_with("video", utterances)
    for row in utterances:
        code = row.id.split("-", 1)[1]
        if row.audio is None and row.speaker in heard:
            yield Fault(row.id, "audio", f"neither {SOUND}-{code}.wav nor {BOTH}-{code}.mp4")
        if row.video is None and row.speaker in seen:
            yield Fault(row.id, "video", f"neither {BOTH}-{code}.mp4 nor {PICTURE}-{code}.mp4")


def _notes(recordings: Recordings, utterances: list[Utterance]) -> Iterator[str]:
    actors = Counter(row.speaker for row in utterances)
    for cue in ("audio", "video"):
        without = sorted(set(actors) - _actors_with(cue, utterances), key=str)
        if without:
            who = "any actor" if len(without) == len(actors) else f"actor {', '.join(map(str, without))}"
            yield f"RAVDESS: no {cue} of {who}."
    if few := [f"{actor} ({found})" for actor, found in actors.items() if found != RECORDINGS_PER_ACTOR]:
        yield f"RAVDESS: actors with another number of recordings than {RECORDINGS_PER_ACTOR}: {', '.join(few)}."
    if recordings.songs:
        yield f"RAVDESS: songs left out: {recordings.songs:,} files."
    if recordings.others:
        others = f"{len(recordings.others):,} ({some(recordings.others)})"
        yield f"RAVDESS: media with other names, left out: {others}."
    if all(code in recordings.speech for code in SAME_RECORDING):
        first, second = (f"{SOUND}-{code}" for code in SAME_RECORDING)
        yield f"RAVDESS: {first} and {second} are the same recording, as published."
