"""What the service can be told: where it listens, which workers it has, how much may wait, how long things are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from . import kinds
from .section import Section, always, has_password, setting


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(Section):
    """Settings of ``mintmark serve``. ``None`` means "not set" or "no limit", as the field's help says."""

    table: ClassVar[str] = "service"

    host: str = setting(
        "MINTMARK_SERVICE_HOST",
        "Where the service listens. Beyond loopback only once an API key exists.",
        "127.0.0.1",
        kinds.TEXT,
    )
    port: int = setting("MINTMARK_SERVICE_PORT", "Port that the service listens on; 0: any free one.", 8199, kinds.PORT)
    workers: tuple[str, ...] = setting(
        "MINTMARK_SERVICE_WORKERS",
        "URLs of workers that run already: ComfyUI with the pack, or a runner.",
        (),
        kinds.WORDS,
        secret=has_password,
    )
    runners: int = setting(
        "MINTMARK_SERVICE_RUNNERS", "How many runners the service starts and looks after itself.", 1, kinds.COUNT
    )
    launch: tuple[str, ...] = setting(
        "MINTMARK_SERVICE_LAUNCH",
        "GPUs on which the service launches a ComfyUI each, through comfy-cli, and looks after it: numbers, or `cpu`.",
        (),
        kinds.WORDS,
    )
    comfyui: Path | None = setting(
        "MINTMARK_SERVICE_COMFYUI",
        "The ComfyUI that is launched: comfy-cli's workspace (default: `comfyui` in the data folder).",
        None,
        kinds.PATH,
    )
    launch_args: tuple[str, ...] = setting(
        "MINTMARK_SERVICE_LAUNCH_ARGS", "What each launched ComfyUI is told besides, as `--lowvram`.", (), kinds.WORDS
    )
    warm: tuple[str, ...] = setting(
        "MINTMARK_SERVICE_WARM",
        "Model files that idle workers load ahead: `LABEL=FILE` for those with a label, `*=FILE` for all with a GPU.",
        (),
        kinds.WORDS,
    )
    model: str = setting(
        "MINTMARK_SERVICE_MODEL",
        "The model that makes an image where a request names none.",
        "fal/flux-dev",
        kinds.TEXT,
    )
    public_base_url: str | None = setting(
        "MINTMARK_SERVICE_PUBLIC_BASE_URL",
        "Where clients reach the service's files, such as a CDN (default: the URL that it was asked at).",
        None,
        kinds.URL,
    )
    assets: Path | None = setting(
        "MINTMARK_SERVICE_ASSETS", "Folder of the files that jobs made (default: in the data folder).", None, kinds.PATH
    )
    retention_days: float | None = setting(
        "MINTMARK_SERVICE_RETENTION_DAYS",
        "How many days a job's content is kept after its end, where its project has no rule; what it cost is kept for "
        "ever (default: no limit).",
        None,
        kinds.DAYS,
    )
    upload_retention_days: float | None = setting(
        "MINTMARK_SERVICE_UPLOAD_RETENTION_DAYS",
        "How many days an upload can be named after it last came; jobs that were ordered with it keep it (default: no "
        "limit).",
        None,
        kinds.DAYS,
    )
    queued_per_key: int = setting(
        "MINTMARK_SERVICE_QUEUED_PER_KEY", "How many jobs of one API key may wait.", 100_000, kinds.POSITIVE
    )
    queued_overall: int = setting(
        "MINTMARK_SERVICE_QUEUED_OVERALL", "How many jobs may wait in all.", 2_000_000, kinds.POSITIVE
    )
    link_expiry_s: float = setting(
        "MINTMARK_SERVICE_LINK_EXPIRY_S",
        "How long a signed link to a file opens it, in seconds.",
        86_400.0,
        kinds.SECONDS,
    )
    allow_private_targets: bool = setting(
        "MINTMARK_SERVICE_ALLOW_PRIVATE_TARGETS",
        "1: webhooks and pictures by URL may go to private addresses (an intranet).",
        False,
        kinds.FLAG,
    )
    cors_origins: tuple[str, ...] = setting(
        "MINTMARK_SERVICE_CORS_ORIGINS",
        "Origins of web pages that may call the API from a browser, each with a key of its own: "
        "`https://shop.example`, with a port where it has one, without a path. `*` alone: any page (default: none).",
        (),
        kinds.ORIGINS,
    )
    budget_webhook_url: str | None = setting(
        "MINTMARK_SERVICE_BUDGET_WEBHOOK_URL",
        "Where it is told, as a signed webhook, that a budget has passed its soft limit.",
        None,
        kinds.URL,
        secret=always,
    )
    wait_limit_s: float = setting(
        "MINTMARK_SERVICE_WAIT_LIMIT_S", "The longest `Prefer: wait` that is granted, in seconds.", 60.0, kinds.SECONDS
    )
    stream_limit_s: float = setting(
        "MINTMARK_SERVICE_STREAM_LIMIT_S",
        "How long one stream of events stays open; clients come back, and miss nothing. In seconds.",
        3600.0,
        kinds.SECONDS,
    )
    max_attempts: int = setting(
        "MINTMARK_SERVICE_MAX_ATTEMPTS",
        "How often a job is tried in all, where a retry is worth it.",
        3,
        kinds.POSITIVE,
    )
    drain_s: float = setting(
        "MINTMARK_SERVICE_DRAIN_S", "How long a stop waits for running jobs, in seconds.", 30.0, kinds.SECONDS
    )
    log_format: Literal["text", "json"] = setting(
        "MINTMARK_SERVICE_LOG_FORMAT",
        "How `mintmark serve` writes its log: `text`, or `json` with one object a line.",
        "text",
        kinds.one_of("text", "json"),
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "MINTMARK_SERVICE_LOG_LEVEL",
        "From which level on `mintmark serve` writes: `debug`, `info`, `warning` or `error`.",
        "warning",
        kinds.one_of("debug", "info", "warning", "error"),
    )


SECTION = ServiceSettings
