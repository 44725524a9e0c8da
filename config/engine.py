"""What every process of ours can be told: where things are, what may be spent, which rules hold, who signs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from . import kinds
from .kinds import MICRO
from .section import Section, always, has_password, setting

Mode = Literal["live", "sandbox"]


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """All settings of a process. ``None`` means "not set" or "no limit", as the field's help says."""

    data_dir: Path = setting(
        "MINTMARK_DATA_DIR",
        "Folder of journal, ledger, signing keys and spooled results (default: the user's data folder).",
        None,
        kinds.PATH,
    )
    sandbox: bool | None = setting(
        "MINTMARK_SANDBOX",
        "1: every provider is the offline sandbox. 0: never. Not set: `mintmark` uses it when no provider key is set.",
        None,
        kinds.FLAG,
    )
    sandbox_url: str | None = setting(
        "MINTMARK_SANDBOX_URL", "A sandbox that already runs; else one is started when needed.", None, kinds.TEXT
    )
    provider_urls: Mapping[str, str] = setting(
        "MINTMARK_PROVIDER_URLS",
        "Other base URLs for live providers, such as your company's gateway: `openai=https://…/v1,fal=https://…`.",
        {},
        kinds.URLS,
        steers=True,
    )
    provider_options: Mapping[str, str] = setting(
        "MINTMARK_PROVIDER_OPTIONS",
        "Facts of your accounts that are no secrets: `google.project=…,bedrock.region=us-west-2` (docs/providers.md).",
        {},
        kinds.OPTIONS,
        steers=True,
    )
    provider_limits: Mapping[str, str] = setting(
        "MINTMARK_PROVIDER_LIMITS",
        "The most a process asks of a provider: `bfl.concurrency=6,firefly.per_minute=4` (default: as vendors state).",
        {},
        kinds.OPTIONS,
    )
    provider_accounts: tuple[str, ...] = setting(
        "MINTMARK_PROVIDER_ACCOUNTS",
        "Providers called with this machine's account where they have no key: `bedrock,google` (docs/providers.md).",
        (),
        kinds.WORDS,
        steers=True,
    )
    policy: str = setting(
        "MINTMARK_POLICY", "Moderation policy: a name, name@version or a JSON file.", "standard", kinds.NAME_OR_PATH
    )
    house_rules: Path | None = setting(
        "MINTMARK_HOUSE_RULES",
        "JSON file of your organisation's own: lists that stop and allow, a policy on trial, whose pictures may be "
        "references (docs/moderation.md).",
        None,
        kinds.PATH,
    )
    image_classifier: Path | None = setting(
        "MINTMARK_IMAGE_CLASSIFIER",
        "An image classifier of your own: an .onnx file or a transformers folder (docs/moderation.md).",
        None,
        kinds.PATH,
    )
    text_classifier: Path | None = setting(
        "MINTMARK_TEXT_CLASSIFIER",
        "A text classifier of your own: a transformers folder (docs/moderation.md).",
        None,
        kinds.PATH,
    )
    project: str = setting("MINTMARK_PROJECT", "The project that costs are booked on.", "default", kinds.TEXT)
    user: str = setting("MINTMARK_USER", "Who costs are booked on.", "local", kinds.TEXT)
    allowance_microusd: int = setting(
        "MINTMARK_ALLOWANCE_USD", "The most one job may spend, in US dollars.", 5 * MICRO, kinds.USD
    )
    budget_microusd: int | None = setting(
        "MINTMARK_BUDGET_USD",
        "The most all jobs together may spend, in US dollars (default: no limit).",
        None,
        kinds.USD,
    )
    gpu_hour: Mapping[str, float] = setting(
        "MINTMARK_GPU_HOUR_USD",
        "Cost of an hour of the workers' GPUs, in US dollars: `1.20`, or of a bought one "
        "`capital=30000,months=36,watts=700,kwh=0.15,days=0.5,day_rate=600`. Set, local sampling is metered, too.",
        {},
        kinds.GPU_HOUR,
    )
    allow_unknown_price: bool = setting(
        "MINTMARK_ALLOW_UNKNOWN_PRICE", "1: call models whose price the catalog does not know.", False, kinds.FLAG
    )
    on_unknown: Literal["strict", "available"] = setting(
        "MINTMARK_ON_UNKNOWN",
        "A call whose charge is unknown: `strict` goes without its images (a job that has no others fails), "
        "`available` asks again and may pay twice.",
        "strict",
        kinds.one_of("strict", "available"),
    )
    workflows: tuple[Path, ...] = setting(
        "MINTMARK_WORKFLOWS", "Folders of your own workflows, beside the shipped ones.", (), kinds.PATHS
    )
    catalog: Path | None = setting(
        "MINTMARK_CATALOG",
        "JSON file of your own models and prices, laid over the shipped catalog (docs/catalog.md).",
        None,
        kinds.PATH,
    )
    keep_prompt: bool | None = setting(
        "MINTMARK_KEEP_PROMPT",
        "1: the credential holds the prompt itself, not only its digest. 0: nor does a saved file hold the graph, "
        "in which the prompt stands. Not set: a digest in the credential, the graph as the save node says.",
        None,
        kinds.FLAG,
    )
    signing_cert: Path | None = setting(
        "MINTMARK_SIGNING_CERT", "PEM chain of your own signing certificate, leaf first.", None, kinds.PATH
    )
    signing_key: Path | None = setting(
        "MINTMARK_SIGNING_KEY", "PEM file of its private key (PKCS#8).", None, kinds.PATH
    )
    signing_cert_pem: str | None = setting(
        "MINTMARK_SIGNING_CERT_PEM",
        "The chain itself, in place of a file: PEM text, or base64 of it.",
        None,
        kinds.TEXT,
    )
    signing_key_pem: str | None = setting(
        "MINTMARK_SIGNING_KEY_PEM",
        "The private key itself, in place of a file: PEM text, or base64 of it.",
        None,
        kinds.TEXT,
        secret=always,
    )
    signer: str | None = setting(
        "MINTMARK_SIGNER",
        "A Python function that signs with a key that never comes here, such as a KMS's: `module:function` "
        "(docs/credentials.md). It takes the place of the key; the chain is given as ever.",
        None,
        kinds.TEXT,
        steers=True,
    )
    timestamp_url: str | None = setting(
        "MINTMARK_TIMESTAMP_URL",
        "RFC 3161 timestamp authority: a stamped file stays valid after its certificate has expired.",
        None,
        kinds.URL,
        secret=has_password,
    )
    timestamp_policy: Literal["prefer", "require"] = setting(
        "MINTMARK_TIMESTAMP_POLICY",
        "Where the authority gives no timestamp: `prefer` signs without one and says so, `require` fails.",
        "prefer",
        kinds.one_of("prefer", "require"),
    )
    timestamp_timeout_s: float = setting(
        "MINTMARK_TIMESTAMP_TIMEOUT_S",
        "How long one timestamp may take in all, in seconds, at most 25.",
        10.0,
        kinds.SECONDS,
    )
    training_mining: Mapping[str, str] = setting(
        "MINTMARK_TRAINING_MINING",
        "What credentials say of learning from the file: `notAllowed` or `allowed` for all, or some of "
        "`ai_training=…,ai_generative_training=…,ai_inference=…,data_mining=…` (not set: nothing).",
        {},
        kinds.TRAINING,
    )
    soft_binding: bool = setting(
        "MINTMARK_SOFT_BINDING",
        "1: credentials also say what the image looks like, which costs unpacking it (docs/softbinding.md).",
        False,
        kinds.FLAG,
    )
    trust_anchors: Path | None = setting(
        "MINTMARK_TRUST_ANCHORS", "PEM file of root certificates that `verify` trusts.", None, kinds.PATH, steers=True
    )
    trust_lists: tuple[str, ...] = setting(
        "MINTMARK_TRUST_LISTS",
        "Shipped trust lists that `verify` goes by, beside your own anchors: `c2pa`, `interim`; `none` for none.",
        ("c2pa",),
        kinds.WORDS,
        steers=True,
    )
    max_pixels: int = setting(
        "MINTMARK_MAX_PIXELS", "The largest image that is ever decoded, in pixels.", 100_000_000, kinds.POSITIVE
    )
    provider_timeout_s: float = setting(
        "MINTMARK_PROVIDER_TIMEOUT_S", "How long one hosted call may take in all, in seconds.", 600.0, kinds.SECONDS
    )
    stuck_s: float = setting(
        "MINTMARK_STUCK_S",
        "How long a job may show no progress on its worker before it counts as lost, in seconds.",
        1800.0,
        kinds.SECONDS,
    )
    keys_dir: Path | None = field(default=None, metadata={})
    """Where kept provider keys are: with the user, even where data is kept elsewhere (ComfyUI). Not set: data_dir."""
    model_urls: tuple[str, ...] = setting(
        "MINTMARK_MODEL_URLS",
        "Beginnings of URLs from which this worker may fetch model files when it is asked to; none: from nowhere.",
        (),
        kinds.WORDS,
    )
    model_max_gib: int = setting(
        "MINTMARK_MODEL_MAX_GIB", "How large a model file may be that a worker fetches, in GiB.", 100, kinds.POSITIVE
    )
    models_dir: Path | None = setting(
        "MINTMARK_MODELS_DIR",
        "Model files of the runner, in folders as in ComfyUI's `models` (default: `models` in its base directory).",
        None,
        kinds.PATH,
    )
    local_memory_gib: int | None = setting(
        "MINTMARK_LOCAL_MEMORY_GIB",
        "In how much memory local pipelines are kept between jobs, in GiB (default: 80% of a GPU's, half of a CPU's).",
        None,
        kinds.POSITIVE,
    )
    worker_token: str | None = setting(
        "MINTMARK_WORKER_TOKEN",
        "Opens a worker's Mintmark routes from other machines; without it only loopback may call them.",
        None,
        kinds.TEXT,
        secret=always,
    )
    ledger_url: str | None = setting(
        "MINTMARK_LEDGER_URL",
        "PostgreSQL database that keeps the ledger: `postgresql://user:password@host:5432/name` "
        "(default: a SQLite file in the data folder). The sandbox never uses it.",
        None,
        kinds.TEXT,
        secret=has_password,
    )

    @property
    def mode(self) -> Mode:
        """``sandbox`` only where it was asked for; what "not set" means is decided once, at the edge."""
        return "sandbox" if self.sandbox else "live"

    @property
    def books_dir(self) -> Path:
        """Where journal, ledger and spool live. The sandbox's play money never mixes with real money."""
        return self.data_dir / "sandbox" if self.sandbox else self.data_dir


SECTION = Settings
