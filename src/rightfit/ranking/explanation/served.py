"""Records of what is served in one configuration, with flat keys in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from rightfit.profiling.serving import Serving

KEYS = tuple(field.name for field in fields(Serving))


class Served(BaseModel):
    """Something in one serving configuration.

    In JSON the configuration's fields stand beside the others; documents that lack the request path
    mean rows as the model reads them.
    """

    model_config = ConfigDict(frozen=True)

    serving: Serving

    @model_validator(mode="before")
    @classmethod
    def _nest(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping) or "serving" in raw:
            return raw
        others = {key: value for key, value in raw.items() if key not in KEYS}
        return others | {"serving": {key: raw[key] for key in KEYS if key in raw}}

    @model_serializer(mode="wrap")
    def _flatten(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        del written["serving"]
        return asdict(self.serving) | written
