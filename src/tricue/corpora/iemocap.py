"""IEMOCAP (Busso et al., 2008, doi:10.1007/s10579-008-9076-6): five sessions of two actors, improvised and scripted.

Published (IEMOCAP_full_release, its README.txt): `Session{1..5}/dialog/EmoEvaluation/<dialogue>.txt` has one line
`[start - end]<tab>turn<tab>label<tab>[V, A, D]` per turn, its label the majority of the annotators', followed by
their single votes; `dialog/transcriptions/<dialogue>.txt` has `turn [start-end]: words`;
`sentences/wav/<dialogue>/<turn>.wav` holds a turn, `dialog/wav/<dialogue>.wav` and `dialog/avi/DivX/<dialogue>.avi`
the whole dialogue.

Who speaks is the letter before the turn's number: `Ses01F_impro01_M004` is the man of session 1. The letter of the
prefix, `Ses01F`, names the actor who wears the markers; that one sits in the left half of the picture, the other in
the right half. Known peculiarities: some lines of the transcriptions have no turn (`M: [LAUGHTER]`), and some turns
(`..._FXX0`, `..._MXX1`) were never annotated; they are counted in notes.

Label sets: 8-way (the default), 6-way, and 4-way, where excited counts as happy. A turn whose label is not in the
set (no majority, other, ...) stays as a row without emotion: it is context for its neighbours. The 7,433 rows of
DialogueRNN, in circulation, are not the published 6-way set of 7,380: turns without a majority were added.

Split: Session5 is test, as is customary; of the others about a tenth of the dialogues is val (14 of 120). A
dialogue's scene decides: its name without the letter of the prefix and of a part (`Ses03M_impro05a` ->
`Ses03_impro05`), so that both recordings of a scene, with the same actors and often the same words, stand on one
side; it is val where the first 32 bits of the sha256 of that name are less than a tenth of their range. The scripts
are the same in all sessions, whatever the split. Where train/, dev/ and test/ each hold sessions, or a manifest.csv,
those folders are the splits (corpora/parts.py).
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tricue.config.settings import Config
from tricue.corpora.parts import find_parts, read_parts
from tricue.corpora.reading import choose_labels, find_once, not_the_corpus, read_text, some
from tricue.data.corpus import Corpus, Count
from tricue.data.labels import Labels, names_of
from tricue.data.table import ManifestError, RowFault
from tricue.types import Fault, InputError, Side, Split, Utterance

EIGHT = {
    "ang": "angry", "exc": "excited", "fea": "fear", "fru": "frustrated",
    "hap": "happy", "neu": "neutral", "sad": "sad", "sur": "surprised",
}  # fmt: skip
LABEL_SETS = {  # label in the files -> class
    "8-way": EIGHT,
    "6-way": {label: emotion for label, emotion in EIGHT.items() if label not in ("fea", "sur")},
    "4-way": {"ang": "angry", "exc": "happy", "hap": "happy", "neu": "neutral", "sad": "sad"},
}
CLASSES = {name: tuple(dict.fromkeys(emotions.values())) for name, emotions in LABEL_SETS.items()}
# turns by label in the published release; 5,531, 7,380 and 7,527 of them in the 4-way, 6-way and 8-way sets
PUBLISHED = {
    "ang": 1103, "exc": 1041, "fea": 40, "fru": 1849, "hap": 595, "neu": 1708, "sad": 1084, "sur": 107,
    "dis": 2, "oth": 3, "xxx": 2507,
}  # fmt: skip
SESSIONS = tuple(f"Session{number}" for number in range(1, 6))
TEST_SESSION = "Session5"
VAL_SHARE = 0.1

DIALOGUE = re.compile(r"(?P<session>Ses0[1-5])(?P<marked>[FM])(?P<scene>_\w*?\d)[a-z]?")
TURN = re.compile(r"(?P<dialogue>\w+)_(?P<speaker>[FM])[A-Z0-9]+")
SECONDS = r"\d{1,7}(?:\.\d{1,9})?"
SEGMENT = re.compile(rf"\[(?P<start>{SECONDS}) - (?P<end>{SECONDS})\]\s+(?P<turn>\S+)\s+(?P<label>\S+)(?:\s.*)?")
WORDS = re.compile(r"(?P<turn>Ses\w+)\s*\[[^\]]*\]:(?P<words>.*)")

Oddities = dict[str, list[str]]  # what is odd, in the plural -> where


@dataclass(frozen=True)
class Segment:
    """One annotated turn."""

    turn: str
    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Files:
    """The media of all sessions, by the name of their turn or dialogue."""

    sentences: dict[str, Path]
    wavs: dict[str, Path]
    avis: dict[str, Path]


def read(source: Path, config: Config) -> Corpus:
    """The corpus in its published layout, or divided into train/, dev/ and test/, whose splits then hold.

    Raises InputError and ManifestError as `_read_sessions` does.
    """
    parts = find_parts(source, holds=lambda folder: bool(_find_sessions(folder)))
    if not parts:
        return _read_sessions(source, config)
    emotions, classes = _choose_classes(config)
    other = {  # manifests may name what the chosen set merges or leaves out
        name: classes.get(label, "")
        for label, emotion in EIGHT.items()
        if classes.get(label) != emotion
        for name in names_of(emotion)
    }
    return read_parts(parts, "IEMOCAP", lambda: Labels(emotions, other | config.data.mapping), config, _read_sessions)


def _read_sessions(source: Path, config: Config) -> Corpus:
    """All annotated turns of the sessions found in `source`: the release, or the folder that holds it.

    Audio is the turn's sentence file where there is one (`cut`: start and end are not of it), else its stretch of
    the dialogue's wav; video is its stretch of the dialogue's avi, and its half of the picture. Rows are never
    dropped: a modality that is missing is a Fault; where a kind of file is missing altogether, one note says so.
    Raises InputError where `source` holds no annotation, for a label set that is not known, for emotions that are
    not in it and for a dialogue in the wrong session; ManifestError for unknown labels, repeated turns, turns of
    another dialogue and times that cannot be.
    """
    emotions, classes = _choose_classes(config)
    sessions = _find_sessions(source)
    annotations = _by_stem(sessions, "dialog/EmoEvaluation/*.txt")
    if not annotations:
        raise not_the_corpus(
            "IEMOCAP annotations",
            source,
            "Session1 to Session5, each with dialog/EmoEvaluation (directly or in IEMOCAP_full_release/)",
            "Ask for the release at https://sail.usc.edu/iemocap/, unpack it, give its folder (SOURCE or --data_dir)",
        )
    corpus = Corpus("IEMOCAP", [], emotions=emotions)
    transcriptions = _by_stem(sessions, "dialog/transcriptions/*.txt")
    files = Files(
        _by_stem(sessions, "sentences/wav/*/*.wav"),
        _by_stem(sessions, "dialog/wav/*.wav"),
        _by_stem(sessions, "dialog/avi/DivX/*.avi"),
    )
    there = {path.parents[2].name for path in annotations.values()}
    absent = ", ".join(session for session in SESSIONS if session not in there)
    for note, applies in (
        (f"no annotations of {absent}: no rows of theirs", absent),
        ("no transcriptions in any session: no text", not transcriptions),
        ("neither sentences/wav nor dialog/wav in any session: no audio", not (files.sentences or files.wavs)),
        ("no dialog/avi/DivX in any session: no video", not files.avis),
    ):
        if applies:
            corpus.notes.append(f"IEMOCAP: {note}.")
    found: Counter[str] = Counter()
    odd: Oddities = defaultdict(list)
    for name, path in annotations.items():
        dialogue = DIALOGUE.fullmatch(name)
        if dialogue is None:
            odd["files in EmoEvaluation that are not of a dialogue"].append(path.name)
            continue
        segments = _segments(path, dialogue, odd)
        found.update(segment.label for segment in segments)
        words = _words(transcriptions.get(name), odd)
        if unannotated := words.keys() - {segment.turn for segment in segments}:
            left_out = odd["transcribed turns that are not annotated, left out"]
            left_out.extend(turn for turn in words if turn in unannotated)
        for turn, segment in enumerate(segments):
            emotion = classes.get(segment.label)
            utterance = _utterance(segment, dialogue, turn, words.get(segment.turn), emotion, files, odd)
            corpus.utterances.append(utterance)
            corpus.faults.extend(_faults(utterance, name, bool(transcriptions), files))
    corpus.counts.append(Count("turns", found.total(), sum(PUBLISHED.values())))
    labelled = sum(found[label] for label in classes), sum(PUBLISHED[label] for label in classes)
    corpus.counts.append(Count(f"turns in {len(set(classes.values()))} emotions", *labelled))
    corpus.notes.extend(f"IEMOCAP: {what}: {len(where):,} ({some(where)})." for what, where in odd.items())
    return corpus


def _choose_classes(config: Config) -> tuple[list[str], dict[str, str]]:
    """The classes of the run, and label -> class. Raises InputError for a class that the label set does not have."""
    labels, emotions = choose_labels("IEMOCAP", CLASSES, config)
    if unknown := [emotion for emotion in emotions if emotion not in CLASSES[labels]]:
        raise InputError(
            f"IEMOCAP: the label set {labels} has no {', '.join(unknown)} (data.emotions); "
            f"it has {', '.join(CLASSES[labels])}."
        )
    return emotions, {label: own for label, own in LABEL_SETS[labels].items() if own in emotions}


def _find_sessions(source: Path) -> list[Path]:
    """The session folders in `source` or one folder deeper."""
    found = find_once("IEMOCAP", source.resolve(), [["Session[1-5]"], ["*/Session[1-5]"]])
    return [path for path in found if path.is_dir()]


def _by_stem(sessions: Iterable[Path], pattern: str) -> dict[str, Path]:
    """Files by their name without the ending; those that macOS leaves beside them (`._*`) are left out."""
    return {
        path.stem: path
        for session in sessions
        for path in sorted(session.glob(pattern))
        if not path.name.startswith("._")
    }


def _split(dialogue: re.Match[str]) -> Split:
    if _session(dialogue) == TEST_SESSION:
        return "test"
    scene = dialogue["session"] + dialogue["scene"]
    share = int.from_bytes(hashlib.sha256(scene.encode()).digest()[:4]) / 2**32
    return "val" if share < VAL_SHARE else "train"


def _session(dialogue: re.Match[str]) -> str:
    return f"Session{dialogue['session'][-1]}"


def _segments(path: Path, dialogue: re.Match[str], odd: Oddities) -> list[Segment]:
    """The annotated turns of a dialogue, by their start. Other lines, the single votes, are not read."""
    if path.parents[2].name != _session(dialogue):
        raise InputError(f"{path} is of {_session(dialogue)}. Put it back there: sessions decide the split.")
    segments: list[Segment] = []
    faults: list[RowFault] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.startswith("["):
            continue
        match = SEGMENT.fullmatch(line.strip())
        if match is None:
            odd["lines of EmoEvaluation that are not understood"].append(f"{path.name}, line {number}")
            continue
        segment = Segment(match["turn"], float(match["start"]), float(match["end"]), match["label"])
        faults += _segment_faults(number, segment, dialogue, segments)
        segments.append(segment)
    if faults:
        raise ManifestError(path, faults)
    return sorted(segments, key=lambda segment: (segment.start, segment.end, segment.turn))


def _segment_faults(
    number: int, segment: Segment, dialogue: re.Match[str], before: list[Segment]
) -> Iterator[RowFault]:
    restore = "restore the line as published"
    match = TURN.fullmatch(segment.turn)
    if match is None or match["dialogue"] != dialogue[0]:
        yield RowFault(number, "turn", segment.turn, f"not a turn of {dialogue[0]}", restore)
    if any(other.turn == segment.turn for other in before):
        yield RowFault(number, "turn", segment.turn, "duplicate turn", restore)
    if segment.label not in PUBLISHED:
        yield RowFault(number, "emotion", segment.label, "unknown label", f"known: {', '.join(PUBLISHED)}")
    if segment.end <= segment.start:
        yield RowFault(number, "end", f"{segment.end:g}", "end not after start", restore)


def _words(path: Path | None, odd: Oddities) -> dict[str, str]:
    """What is said in each turn of a transcription."""
    words: dict[str, str] = {}
    if path is None:
        return words
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        match = WORDS.fullmatch(line.strip())
        if match is None:
            odd["lines of transcriptions without a turn"].append(f"{path.name}, line {number}")
        elif match["turn"] in words:
            odd["turns that are transcribed twice, the first is read"].append(match["turn"])
        else:
            words[match["turn"]] = match["words"].strip()
    return words


def _utterance(
    segment: Segment,
    dialogue: re.Match[str],
    turn: int,
    text: str | None,
    emotion: str | None,
    files: Files,
    odd: Oddities,
) -> Utterance:
    speaker = segment.turn.removeprefix(f"{dialogue[0]}_")[0]
    side: Side = "left" if speaker == dialogue["marked"] else "right"
    sentence, wav = files.sentences.get(segment.turn), files.wavs.get(dialogue[0])
    video = files.avis.get(dialogue[0])
    if sentence is None and wav is not None and files.sentences:
        odd["turns without a sentence file, read from the dialogue's wav"].append(segment.turn)
    return Utterance(
        id=segment.turn, text=text or None, audio=sentence or wav, video=video,
        start=segment.start, end=segment.end, label=emotion,
        speaker=f"{segment.turn[:5]}_{speaker}", dialogue=dialogue[0], turn=turn, split=_split(dialogue),
        session=_session(dialogue), crop=side if video is not None else None,
        cut="audio" if sentence is not None else None,
    )  # fmt: skip


def _faults(utterance: Utterance, dialogue: str, transcribed: bool, files: Files) -> Iterator[Fault]:
    if transcribed and utterance.text is None:
        yield Fault(utterance.id, "text", f"no words in the transcription of {dialogue}")
    if (files.sentences or files.wavs) and utterance.audio is None:
        yield Fault(utterance.id, "audio", f"neither {utterance.id}.wav nor {dialogue}.wav")
    if files.avis and utterance.video is None:
        yield Fault(utterance.id, "video", f"no {dialogue}.avi")
