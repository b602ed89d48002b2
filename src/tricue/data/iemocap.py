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
those folders are the splits (data/parts.py).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tricue.config import Config
from tricue.data.corpus import Corpus, Count, not_the_corpus
from tricue.data.labels import Labels, names_of
from tricue.data.parts import find_parts, read_parts
from tricue.data.reading import choose_labels, read_text, some
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
SEGMENT = re.compile(
    rf"\[(?P<start>{SECONDS}) - (?P<end>{SECONDS})\]\s+(?P<turn>\S+)\s+(?P<label>\S+)(?:\s.*)?"
)
WORDS = re.compile(r"(?P<turn>Ses\w+)\s*\[[^\]]*\]:(?P<words>.*)")

Oddities = dict[str, list[str]]  # what is odd, in the plural -> where


@dataclass(frozen=True)
class Dialogue:
    """What its name says: the session, who wears the markers, and the split by the scene."""

    name: str
    session: str
    marked: str
    split: Split

    @classmethod
    def named(cls, name: str) -> Dialogue | None:
        """None where a dialogue is not named so."""
        match = DIALOGUE.fullmatch(name)
        if match is None:
            return None
        session = f"Session{match['session'][-1]}"
        return cls(name, session, match["marked"], _split(session, match["session"] + match["scene"]))


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

    @classmethod
    def of(cls, sessions: list[Path]) -> Files:
        return cls(
            _by_stem(sessions, "sentences/wav/*/*.wav"),
            _by_stem(sessions, "dialog/wav/*.wav"),
            _by_stem(sessions, "dialog/avi/DivX/*.avi"),
        )


def read(source: Path, config: Config) -> Corpus:
    """The corpus in its published layout, or divided into train/, dev/ and test/, whose splits then hold.

    Raises InputError and ManifestError as `_read_sessions` does.
    """
    if parts := find_parts(source, holds=lambda folder: bool(_find_sessions(folder))):
        labels, emotions = choose_labels("IEMOCAP", {name: _classes(name) for name in LABEL_SETS}, config)
        classes = _narrowed(labels, emotions)
        other = {  # manifests may name what the chosen set merges or leaves out
            name: classes.get(label, "")
            for label, emotion in EIGHT.items()
            if classes.get(label) != emotion
            for name in names_of(emotion)
        }
        return read_parts(
            parts, "IEMOCAP", lambda: Labels(emotions, other | config.data.mapping), config, _read_sessions
        )
    return _read_sessions(source, config)


def _read_sessions(source: Path, config: Config) -> Corpus:
    """All annotated turns of the sessions found in `source`: the release, or the folder that holds it.

    Audio is the turn's sentence file where there is one (`cut`: start and end are not of it), else its stretch of
    the dialogue's wav; video is its stretch of the dialogue's avi, and its half of the picture. Rows are never
    dropped: a cue that is missing is a Fault; where a kind of file is missing altogether, one note says so.
    Raises InputError where `source` holds no annotation, for a label set that is not known, for emotions that are
    not in it and for a dialogue in the wrong session; ManifestError for unknown labels, repeated turns, turns of
    another dialogue and times that cannot be.
    """
    labels, emotions = choose_labels("IEMOCAP", {name: _classes(name) for name in LABEL_SETS}, config)
    classes = _narrowed(labels, emotions)
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
    transcriptions, files = _by_stem(sessions, "dialog/transcriptions/*.txt"), Files.of(sessions)
    _note_absent(annotations, transcriptions, files, corpus)
    found: Counter[str] = Counter()
    odd: Oddities = defaultdict(list)
    for name, path in annotations.items():
        dialogue = Dialogue.named(name)
        if dialogue is None:
            odd["files in EmoEvaluation that are not of a dialogue"].append(path.name)
            continue
        segments = _segments(path, dialogue, odd)
        found.update(segment.label for segment in segments)
        words = _words(transcriptions.get(name), odd)
        _note_unannotated(words, segments, odd)
        for turn, segment in enumerate(segments):
            text = words.get(segment.turn)
            emotion = classes.get(segment.label)
            utterance = _utterance(segment, dialogue, turn, text, emotion, files, odd)
            corpus.utterances.append(utterance)
            corpus.faults.extend(_faults(utterance, dialogue, bool(transcriptions), files))
    corpus.counts.append(Count("turns", found.total(), sum(PUBLISHED.values())))
    corpus.counts.append(_labelled(found, classes))
    corpus.notes.extend(f"IEMOCAP: {what}: {len(where):,} ({some(where)})." for what, where in odd.items())
    return corpus


def _classes(labels: str) -> list[str]:
    return list(dict.fromkeys(LABEL_SETS[labels].values()))


def _narrowed(labels: str, emotions: list[str]) -> dict[str, str]:
    """Label -> class for the classes of the run. Raises InputError for one that the label set does not have."""
    if unknown := [emotion for emotion in emotions if emotion not in _classes(labels)]:
        raise InputError(
            f"IEMOCAP: the label set {labels} has no {', '.join(unknown)} (data.emotions); "
            f"it has {', '.join(_classes(labels))}."
        )
    return {label: emotion for label, emotion in LABEL_SETS[labels].items() if emotion in emotions}


def _labelled(found: Counter[str], classes: dict[str, str]) -> Count:
    return Count(
        f"turns in {len(set(classes.values()))} emotions",
        sum(found[label] for label in classes),
        sum(PUBLISHED[label] for label in classes),
    )


def _find_sessions(source: Path) -> list[Path]:
    """The session folders in `source` or one folder deeper. Raises InputError where several folders hold them."""
    for pattern in ("Session[1-5]", "*/Session[1-5]"):
        found = sorted(path for path in source.resolve().glob(pattern) if path.is_dir())
        if roots := sorted({path.parent for path in found}):
            if len(roots) > 1:
                raise InputError(
                    f"IEMOCAP stands more than once in {source}: {', '.join(map(str, roots))}. "
                    "Give the folder of one copy."
                )
            return found
    return []


def _by_stem(sessions: Iterable[Path], pattern: str) -> dict[str, Path]:
    """Files by their name without the ending; those that macOS leaves beside them (`._*`) are left out."""
    return {
        path.stem: path
        for session in sessions
        for path in sorted(session.glob(pattern))
        if not path.name.startswith("._")
    }


def _note_absent(
    annotations: dict[str, Path], transcriptions: dict[str, Path], files: Files, corpus: Corpus
) -> None:
    there = {path.parents[2].name for path in annotations.values()}
    if absent := [session for session in SESSIONS if session not in there]:
        corpus.notes.append(f"IEMOCAP: no annotations of {', '.join(absent)}: no rows of theirs.")
    if not transcriptions:
        corpus.notes.append("IEMOCAP: no transcriptions in any session: no text.")
    if not (files.sentences or files.wavs):
        corpus.notes.append("IEMOCAP: neither sentences/wav nor dialog/wav in any session: no audio.")
    if not files.avis:
        corpus.notes.append("IEMOCAP: no dialog/avi/DivX in any session: no video.")


def _split(session: str, scene: str) -> Split:
    if session == TEST_SESSION:
        return "test"
    share = int.from_bytes(hashlib.sha256(scene.encode()).digest()[:4]) / 2**32
    return "val" if share < VAL_SHARE else "train"


def _segments(path: Path, dialogue: Dialogue, odd: Oddities) -> list[Segment]:
    """The annotated turns of a dialogue, by their start. Other lines, the single votes, are not read."""
    if path.parents[2].name != dialogue.session:
        raise InputError(f"{path} is of {dialogue.session}. Put it back there: sessions decide the split.")
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
    number: int, segment: Segment, dialogue: Dialogue, before: list[Segment]
) -> Iterator[RowFault]:
    restore = "restore the line as published"
    match = TURN.fullmatch(segment.turn)
    if match is None or match["dialogue"] != dialogue.name:
        yield RowFault(number, "turn", segment.turn, f"not a turn of {dialogue.name}", restore)
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


def _note_unannotated(words: dict[str, str], segments: list[Segment], odd: Oddities) -> None:
    annotated = {segment.turn for segment in segments}
    if unannotated := [turn for turn in words if turn not in annotated]:
        odd["transcribed turns that are not annotated, left out"].extend(unannotated)


def _utterance(
    segment: Segment,
    dialogue: Dialogue,
    turn: int,
    text: str | None,
    emotion: str | None,
    files: Files,
    odd: Oddities,
) -> Utterance:
    speaker = segment.turn.removeprefix(f"{dialogue.name}_")[0]
    side: Side = "left" if speaker == dialogue.marked else "right"
    sentence, wav = files.sentences.get(segment.turn), files.wavs.get(dialogue.name)
    video = files.avis.get(dialogue.name)
    if sentence is None and wav is not None and files.sentences:
        odd["turns without a sentence file, read from the dialogue's wav"].append(segment.turn)
    return Utterance(
        id=segment.turn, text=text or None, audio=sentence or wav, video=video,
        start=segment.start, end=segment.end, emotion=emotion,
        speaker=f"{segment.turn[:5]}_{speaker}", dialogue=dialogue.name, turn=turn, split=dialogue.split,
        session=dialogue.session, crop=side if video is not None else None,
        cut="audio" if sentence is not None else None,
    )  # fmt: skip


def _faults(utterance: Utterance, dialogue: Dialogue, transcribed: bool, files: Files) -> Iterator[Fault]:
    if transcribed and utterance.text is None:
        yield Fault(utterance.id, "text", f"no words in the transcription of {dialogue.name}")
    if (files.sentences or files.wavs) and utterance.audio is None:
        yield Fault(utterance.id, "audio", f"neither {utterance.id}.wav nor {dialogue.name}.wav")
    if files.avis and utterance.video is None:
        yield Fault(utterance.id, "video", f"no {dialogue.name}.avi")
