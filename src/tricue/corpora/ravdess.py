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

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tricue.config.settings import Config
from tricue.corpora import reading
from tricue.data.corpus import Corpus, Count
from tricue.data.manifest import MEDIA
from tricue.types import ModalityName, Utterance

EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "joy", "04": "sadness",
    "05": "anger", "06": "fear", "07": "disgust", "08": "surprise",
}  # fmt: skip
LABEL_SETS = {"emotions": tuple(EMOTIONS.values())}
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
BOTH, PICTURE, SOUND = "01", "02", "03"  # modality
ENDINGS = {BOTH: (".mp4",), PICTURE: (".mp4",), SOUND: (".wav", ".flac")}
FORMS: dict[ModalityName, tuple[str, str]] = {"audio": (SOUND, BOTH), "video": (BOTH, PICTURE)}  # preferred first
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


def read(source: Path, config: Config) -> Corpus:
    """One row per speech recording anywhere below `source`, by actor and name.

    Audio is the 03 file, else the 01 clip; video the 01 clip, else the 02 clip; the id is the name of the first of
    them. A recording without one of the modalities that others of its actor have gets a Fault; an actor without a
    modality altogether (the zips are published one by one) is a note.
    Raises InputError where there is no recording, where a name stands twice, for an unknown label set and for
    emotions that leave out one of the corpus.
    """
    _, emotions = reading.choose_labels("RAVDESS", LABEL_SETS, config, whole=True)
    found, others = reading.find_recordings(source, (".wav", ".flac", ".mp4"), _identify)
    songs = found.pop(SONG, {})
    recordings = {code: found[code] for code in sorted(found, key=lambda code: (code[-2:], code))}
    if not recordings:
        raise reading.not_the_corpus(
            "RAVDESS speech recordings",
            source,
            "names such as Actor_12/03-01-06-01-02-01-12.wav in it or in folders below",
            "Download Audio_Speech_Actors_01-24.zip (and Video_Speech_Actor_01.zip to _24.zip for the faces) from "
            "https://zenodo.org/records/1188976, unpack them, give their folder (SOURCE or --data_dir)",
        )
    utterances = [_utterance(files) for files in recordings.values()]
    corpus = Corpus("RAVDESS", utterances, emotions=emotions)
    corpus.faults.extend(reading.missing_media(utterances, _reason, group=lambda row: row.speaker))
    with_sound = sum(row.audio is not None for row in utterances)
    actors = len({row.speaker for row in utterances})
    corpus.counts.append(Count("speech recordings with sound", with_sound, ACTORS * RECORDINGS_PER_ACTOR))
    corpus.counts.append(Count("actors", actors, ACTORS))
    corpus.notes.extend(_notes(recordings, utterances, len(songs), others))
    return corpus


def _identify(path: Path) -> tuple[str, str] | None:
    name = NAME.fullmatch(path.stem)
    if name is None or path.suffix.lower() not in ENDINGS[name["modality"]]:
        return None
    return (SONG, str(path)) if name["channel"] == SONG else (name["code"], name["modality"])


def _utterance(files: dict[str, Path]) -> Utterance:
    media = {modality: reading.first_of(files, forms) for modality, forms in FORMS.items()}
    id_ = next(path.stem for path in media.values() if path)
    _, _, emotion, _, statement, _, actor = id_.split("-")
    return Utterance(
        id=id_,
        text=STATEMENTS[statement],
        audio=media["audio"],
        video=media["video"],
        label=EMOTIONS[emotion],
        speaker=actor,
        split=reading.split_of(int(actor), LAST_TRAIN_ACTOR, LAST_VAL_ACTOR),
    )


def _reason(row: Utterance, modality: ModalityName) -> str:
    code = row.id.split("-", 1)[1]
    return "neither " + " nor ".join(f"{form}-{code}{ENDINGS[form][0]}" for form in FORMS[modality])


def _notes(recordings: reading.Recordings, utterances: list[Utterance], songs: int, others: list[str]) -> Iterator[str]:
    actors = Counter(str(row.speaker) for row in utterances)
    for modality in MEDIA:
        without = sorted(set(actors) - {row.speaker for row in utterances if row.source(modality)})
        if without:
            who = "any actor" if len(without) == len(actors) else f"actor {', '.join(without)}"
            yield f"RAVDESS: no {modality} of {who}."
    if few := [f"{actor} ({found})" for actor, found in actors.items() if found != RECORDINGS_PER_ACTOR]:
        yield f"RAVDESS: actors with another number of recordings than {RECORDINGS_PER_ACTOR}: {', '.join(few)}."
    if songs:
        yield f"RAVDESS: songs left out: {songs:,} files."
    if others:
        yield f"RAVDESS: media with other names, left out: {len(others):,} ({reading.some(others)})."
    if all(code in recordings for code in SAME_RECORDING):
        first, second = (f"{SOUND}-{code}" for code in SAME_RECORDING)
        yield f"RAVDESS: {first} and {second} are the same recording, as published."
