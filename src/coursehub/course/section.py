"""What every section of course.yml is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of course.yml: frozen, strictly typed, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
