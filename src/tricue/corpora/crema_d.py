"""CREMA-D (Cao et al., 2014, doi:10.1109/TAFFC.2014.2336244): 91 actors say 12 sentences in six emotions.

Published (github.com/CheyneyComputerScience/CREMA-D): 7,442 clips as `AudioWAV/1001_DFA_ANG_XX.wav`,
`AudioMP3/*.mp3` (as raters heard them) and `VideoFlash/*.flv` (as they saw them). A name is actor, sentence, emotion
and level (LO, MD, HI, XX where none was asked for); its emotion is what the actor was asked to show, not what raters
heard or saw. Only the names matter here, not the folders. The media are kept in Git LFS: a plain clone, or the zip of
the site, has small text files in their place.

Known defects (that repository's README and issue 6; the three pairs: reported by several users of the wav files):
`1040_ITH_SAD_XX` was published as `1040_ITH_SAD_X` until 2022; `1076_MTI_SAD_XX` has no sound and an error picture,
`1076_MTI_NEU_XX` (mp3, flv) no sound, `1064_TIE_SAD_XX` (mp3, flv) no duration, `1064_IEO_DIS_MD` (mp3, flv) all
emotions in one minute; and three recordings stand under two emotions each, so that one of the labels is wrong. The
rows stay; notes name them.

Split: none is published. Here actors 1001 to 1063 are train, 1064 to 1076 val, 1077 to 1091 test; the protocols `loso`
and `kfold-speaker` deal by actor, too.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tricue.config.settings import Config
from tricue.corpora import reading
from tricue.data.corpus import Corpus, Count
from tricue.types import InputError, Utterance

EMOTIONS = {
    "ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "joy", "NEU": "neutral", "SAD": "sadness",
}  # fmt: skip
LABEL_SETS = {"emotions": tuple(EMOTIONS.values())}
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
CLIPS, ACTORS = 7442, 91
LAST_TRAIN_ACTOR, LAST_VAL_ACTOR = 1063, 1076
SOUND = (".wav", ".mp3", ".flv", ".mp4")  # in the order of preference
PICTURE = (".flv", ".mp4")
NAMED = {"audio": " as wav, mp3 or flv", "video": ".flv"}  # in faults
OLD_NAMES = {"1040_ITH_SAD_X": "1040_ITH_SAD_XX"}
DEFECTS = {
    "1076_MTI_SAD_XX": "no sound, an error picture",
    "1076_MTI_NEU_XX": "no sound in mp3 and flv",
    "1064_TIE_SAD_XX": "no duration in mp3 and flv",
    "1064_IEO_DIS_MD": "a minute of all emotions in mp3 and flv",
}
SAME_RECORDING = (
    ("1006_TIE_HAP_XX", "1006_TIE_NEU_XX"),
    ("1013_WSI_DIS_XX", "1013_WSI_SAD_XX"),
    ("1017_IWW_ANG_XX", "1017_IWW_FEA_XX"),
)
POINTER = b"version https://git-lfs.github.com/spec/"
POINTER_SIZE = 1024  # at most: the specification's limit

NAME = re.compile(
    rf"(?P<actor>10[0-8]\d|109[01])_(?P<sentence>{'|'.join(SENTENCES)})_(?P<emotion>{'|'.join(EMOTIONS)})_(LO|MD|HI|XX)",
    re.ASCII,
)


def read(source: Path, config: Config) -> Corpus:
    """One row per clip anywhere below `source`, by name.

    Audio is the wav, else the mp3, else the clip's own sound; video the flv. A clip without a modality that others have
    gets a Fault; a kind of file that is missing altogether is a note.
    Raises InputError where there is no clip, where media are Git LFS pointers still (a kind of which all are pointers
    counts as missing where another kind is there), where a name stands twice, for an unknown label set and for
    emotions that leave out one of the corpus.
    """
    _, emotions = reading.choose_labels("CREMA-D", LABEL_SETS, config, whole=True)
    clips, others = reading.find_recordings(source, SOUND, _identify)
    if not clips:
        raise reading.not_the_corpus(
            "CREMA-D clips",
            source,
            "names such as AudioWAV/1001_DFA_ANG_XX.wav and VideoFlash/1001_DFA_ANG_XX.flv in it or in folders below",
            "Run git lfs clone https://github.com/CheyneyComputerScience/CREMA-D.git and give that folder "
            "(SOURCE or --data_dir)",
        )
    pointers = _pointers(source, clips)
    utterances = [_utterance(clip, files, pointers) for clip, files in clips.items()]
    corpus = Corpus("CREMA-D", utterances, emotions=emotions)
    if pointers:
        corpus.notes.append(f"CREMA-D: {', '.join(pointers)} files are Git LFS pointers still, not read.")
    corpus.faults.extend(reading.missing_media(utterances, lambda row, own: f"no {row.id}{NAMED[own]}"))
    corpus.counts.append(Count("clips", len(clips), CLIPS))
    corpus.counts.append(Count("actors", len({row.speaker for row in utterances}), ACTORS))
    corpus.notes.extend(_notes(utterances, clips, others))
    return corpus


def _identify(path: Path) -> tuple[str, str] | None:
    clip = OLD_NAMES.get(path.stem, path.stem)
    return (clip, path.suffix.lower()) if NAME.fullmatch(clip) else None


def _pointers(source: Path, clips: reading.Recordings) -> list[str]:
    """The endings of which every file is a pointer. Raises InputError where that are all, or where only some files
    of a kind are."""
    files, pointers = Counter[str](), Counter[str]()
    for found in clips.values():
        files.update(found.keys())
        pointers.update(ending for ending, path in found.items() if _is_pointer(path))
    half = any(0 < pointers[ending] < files[ending] for ending in files)
    if half or pointers == files:
        raise InputError(
            f"CREMA-D in {source}: {pointers.total():,} of {files.total():,} media files are Git LFS pointers, text in "
            "place of the recordings: not unpacked yet. Install git-lfs and run `git lfs pull` in the clone (a zip "
            "from the site has pointers alone: clone instead)."
        )
    return sorted(ending for ending in files if pointers[ending])


def _is_pointer(path: Path) -> bool:
    if path.stat().st_size > POINTER_SIZE:
        return False
    with path.open("rb") as file:
        return file.read(len(POINTER)) == POINTER


def _utterance(clip: str, files: dict[str, Path], pointers: list[str]) -> Utterance:
    actor, sentence, emotion, _ = clip.split("_")
    there = {ending: path for ending, path in files.items() if ending not in pointers}
    return Utterance(
        id=clip,
        text=SENTENCES[sentence],
        audio=reading.first_of(there, SOUND),
        video=reading.first_of(there, PICTURE),
        label=EMOTIONS[emotion],
        speaker=actor,
        split=reading.split_of(int(actor), LAST_TRAIN_ACTOR, LAST_VAL_ACTOR),
    )


def _notes(utterances: list[Utterance], clips: reading.Recordings, others: list[str]) -> Iterator[str]:
    if not any(row.audio for row in utterances):
        yield "CREMA-D: no audio of any clip."
    if not any(row.video for row in utterances):
        yield "CREMA-D: no video of any clip."
    if others:
        yield f"CREMA-D: media with other names, left out: {len(others):,} ({reading.some(others)})."
    for old, name in OLD_NAMES.items():
        if any(path.stem == old for path in clips.get(name, {}).values()):
            yield f"CREMA-D: {old} is read as {name}."
    for clip, defect in DEFECTS.items():
        if clip in clips:
            yield f"CREMA-D: {clip}, as published: {defect}."
    for first, second in SAME_RECORDING:
        if first in clips and second in clips:
            yield f"CREMA-D: {first} and {second} are the same recording as published, so one label is wrong."
