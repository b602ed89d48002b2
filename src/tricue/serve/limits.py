"""What one request may cost. The only home of these defaults: the command line and the page read them here."""

from dataclasses import dataclass, fields

from tricue.types import MAX_TEXT_CHARACTERS, InputError

LONGEST_ID = 200  # characters
_ESCAPED = 12  # bytes at most of a character in JSON: an emoji, as two \uXXXX
_VALUES = 16  # of a text's row in JSON: itself, its fields, and some that are not read
_AROUND = 100  # bytes of a text's row beside it and its id: names of fields, spaces


@dataclass(frozen=True)
class Limits:
    """Every limit of the service. Raises InputError where one is not above 0."""

    bytes: int = 100_000_000  # of one upload
    seconds: float = 600.0  # that a recording lasts
    pixels: int = 9_000_000  # of one picture: 4K has 8.3 million
    decode_seconds: float = 60.0  # that the decoder may work on one upload, all its passes together
    decoder_bytes: int = 3_000_000_000  # of memory (address space) that a decoder takes beside its libraries
    decoders: int = 2  # processes that decode
    texts: int = 256  # in one request
    characters: int = MAX_TEXT_CHARACTERS  # of one text
    all_characters: int = 256_000  # of all texts of one request, or of all subtitles of a clip
    segments: int = 1_000  # of one timeline
    body_seconds: float = 60.0  # until a request's body has arrived; and until its answer is fetched
    head_seconds: float = 10.0  # until a request's head has arrived
    connections: int = 256  # open at once
    waiting_texts: int = 1_024  # that wait for the model, or `texts` where that is more
    waiting_clips: int = 16  # uploads that are received or worked on at once
    batch: int = 32  # texts that are read together; 1 reads one by one

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise InputError(f"The limit {field.name} is {getattr(self, field.name)}: give more than 0.")

    @property
    def json_bytes(self) -> int:
        """Of a JSON body: all its texts and ids at their longest, each character escaped."""
        characters = min(self.texts * self.characters, self.all_characters)
        return _ESCAPED * (characters + self.texts * LONGEST_ID) + self.texts * _AROUND

    @property
    def json_values(self) -> int:
        """In a JSON body."""
        return _VALUES * (self.texts + 1)

    @property
    def queue(self) -> int:
        """Texts that may wait for the model: a whole request has room where none waits."""
        return max(self.waiting_texts, self.texts)

    def told(self) -> dict[str, float]:
        """Those that `/v1/model` publishes."""
        told = "bytes", "seconds", "pixels", "decode_seconds", "texts", "characters", "all_characters"
        return {name: getattr(self, name) for name in told}


LIMITS = Limits()
