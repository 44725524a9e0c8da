"""What ``POST /v1/images/generations`` says of the image. When, for how much and for whom is said beside it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

MOST_IMAGES = 10
MOST_PROMPT = 32_000
SEED_MAX = 2**64 - 1
_URL = r"^(https?://[!-~]+|upload:[0-9a-f]{64}|[0-9a-f]{64}|data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2})$"


def _seed(value: Any) -> Any:
    """A seed of more than 53 bits comes as a text from languages without such numbers."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20 else value


def _words(text: str) -> str:
    if not text.strip():
        raise ValueError("say what the image shall show")
    text.encode()  # half a surrogate pair cannot be written anywhere: UnicodeEncodeError is a ValueError
    return text


Picture = Annotated[str, Field(pattern=_URL, max_length=1_000_000)]
"""``upload:<sha256>`` of an own upload, an ``http(s)`` URL, or a ``data:`` URL."""
Seed = Annotated[
    int,
    Field(ge=0, le=SEED_MAX),
    BeforeValidator(_seed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": SEED_MAX},
                {"type": "string", "pattern": "^[0-9]{1,19}$"},
            ]
        },
        mode="validation",
    ),
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Size(_Part):
    """Pixels."""

    width: int = Field(ge=1, le=16384)
    height: int = Field(ge=1, le=16384)


class ImageToImage(_Part):
    """A picture to begin from."""

    init_image_url: Picture | None = Field(default=None, description="Which one. It has to be said; `null`: none.")
    strength: float | None = Field(
        default=None, ge=0, le=1, description="How far the result may move from the picture; 1 is free of it."
    )


class Control(_Part):
    """A map to follow: one of them has to be said; ``null`` in its place: none."""

    pose_url: Picture | None = None
    edge_url: Picture | None = None
    depth_url: Picture | None = None
    weight: float | None = Field(
        default=None, ge=0, le=1, description="How closely the result keeps to the map; 1 is exactly."
    )

    @property
    def maps(self) -> dict[str, str]:
        """The maps that were given, by the name of their field."""
        given = {"pose_url": self.pose_url, "edge_url": self.edge_url, "depth_url": self.depth_url}
        return {name: url for name, url in given.items() if url is not None}


class ImageWish(_Part):
    """The image that is wanted."""

    model: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None,
        description="`provider/model` of the catalog, or a workflow of yours: `name`, `name@range`, `name@alias`. "
        "Left out: the service's default.",
    )
    prompt: Annotated[str, Field(min_length=1, max_length=MOST_PROMPT), AfterValidator(_words)]
    negative_prompt: Annotated[str, Field(max_length=MOST_PROMPT)] | None = Field(
        default=None, description="What shall not be in it. A model that knows no such prompt does not use it."
    )
    size: Size | None = None
    steps: int | None = Field(default=None, ge=1, le=1000)
    guidance: float | None = Field(default=None, ge=0, le=1000)
    seed: Seed | None = Field(default=None, description="Left out: a new one each time.")
    n: int = Field(default=1, ge=1, le=MOST_IMAGES, description="How many. Each is charged.")
    image_to_image: ImageToImage | None = None
    control: Control | None = None

    @property
    def init_image(self) -> str | None:
        """The picture to begin from, where there is one."""
        return self.image_to_image.init_image_url if self.image_to_image else None

    @property
    def maps(self) -> dict[str, str]:
        """The maps to follow."""
        return self.control.maps if self.control else {}
