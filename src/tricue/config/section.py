"""What every part of the settings is made of."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

PositiveInt = Annotated[int, Field(ge=1, le=1_000_000)]
NonNegativeInt = Annotated[int, Field(ge=0, le=1_000_000)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
EncoderName = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]
LayerChoice = int | list[int] | Literal["mix"] | None
Protocol = Literal["official", "loso", "kfold-speaker", "kfold-dialogue", "leaky"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @classmethod
    def annotations(cls) -> dict[str, Any]:
        """Name -> type of every setting, and of every section of settings, in it."""
        return {name: field.annotation for name, field in cls.model_fields.items()}

    @field_validator("*", mode="before")
    @classmethod
    def _as_it_is_meant(cls, value: Any, info: ValidationInfo) -> Any:
        """No true where a number is expected, which would be read as 1, and no control characters in names."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind is not bool:
            raise ValueError("true and false (also yes, no, on, off) fit switches only; put a word in quotes")
        if isinstance(value, str) and any(ord(letter) < 32 for letter in value):
            raise ValueError("it holds control characters")
        return value
