"""What `unroll doctor` looks at with the service's own code: settings, keys, TLS, limits, port."""

import os
import resource
import shlex
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from contract.hints import typed
from service.connection.limits import OTHER_FILES, SPARE
from service.hosting.uvicorn_config import check_exposure, check_port
from service.security.keys import KeysUnreadable, parse
from service.security.reloaded_files import Unusable
from service.security.tls import tls_options
from service.settings import Settings
from unroll.commands.findings import ROOM, Found


def every(port: int) -> Iterator[Found]:
    yield from settings()
    yield from port_free(port)


def settings() -> Iterator[Found]:
    try:
        stated = Settings.read()
    except SystemExit as error:
        for line in str(error).splitlines():
            yield Found("settings", "wrong", line, "docs/configuration.md lists all settings")
        return
    chosen = sorted(f"UNROLL_{name}".upper() for name in stated.model_fields_set)
    yield Found("settings", "ok", ", ".join(chosen) or "all as by default")
    yield from _exposure(stated)
    yield from _keys(stated)
    yield from _tls(stated)
    yield from _limits(stated)


def _exposure(stated: Settings) -> Iterator[Found]:
    try:
        check_exposure(stated.host, stated.keys_file is not None, stated.allow_open)
    except SystemExit as error:
        yield Found("host", "wrong", str(error), typed("keys new NAME >> keys.jsonl"))


def _keys(stated: Settings) -> Iterator[Found]:
    if stated.keys_file is None:
        return
    try:
        keys = parse(stated.keys_file.read_text()).values()
    except (OSError, UnicodeDecodeError, KeysUnreadable) as error:
        why = (error.strerror or error) if isinstance(error, OSError) else error
        hint = typed(f"keys new NAME >> {shlex.quote(str(stated.keys_file))}")
        yield Found("keys", "wrong", f"{stated.keys_file}: {why}", hint)
        return
    scopes = ", ".join(sorted({scope for key in keys for scope in key.scopes})) or "none: every request is refused"
    yield Found("keys", "ok" if keys else "warn", f"{stated.keys_file}: {len(keys)}, for {scopes}")


def _tls(stated: Settings) -> Iterator[Found]:
    try:
        on = tls_options(stated.tls_certificate_file, stated.tls_key_file)["enabled"]
    except Unusable as error:
        yield Found("TLS", "wrong", str(error), "name a certificate and its key, both PEM")
    else:
        yield Found("TLS", "ok", f"{stated.tls_certificate_file}" if on else "off")


def _limits(stated: Settings) -> Iterator[Found]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = stated.max_connections + SPARE + OTHER_FILES
    enough = hard in (resource.RLIM_INFINITY, -1) or hard >= needed
    says = f"{hard} open files allowed, {needed} needed for UNROLL_MAX_CONNECTIONS={stated.max_connections}"
    yield Found("limits", "ok" if enough else "warn", says, "" if enough else "raise the hard limit: ulimit -Hn")
    processors, memory = len(os.sched_getaffinity(0)), psutil.virtual_memory()
    quota, most = _cgroup("cpu.max"), _cgroup("memory.max")
    cores = processors if not quota else min(processors, float(quota[0]) / float(quota[1]))
    few = stated.workers > cores
    hint = f"UNROLL_WORKERS={max(1, int(cores))}" if few else ""
    yield Found("limits", "warn" if few else "ok", f"{cores:g} processors, UNROLL_WORKERS is {stated.workers}", hint)
    free = min([memory.available, *([int(most[0]) - psutil.Process().memory_info().rss] if most else [])])
    low = free < ROOM * stated.workers
    yield Found("limits", "warn" if low else "ok", f"{free / 2**30:.1f} GB of memory free", "end other programs" if low else "")


def _cgroup(name: str) -> list[str]:
    """The words of a limit of this container; none where there is no limit."""
    try:
        words = Path("/sys/fs/cgroup", name).read_text().split()
    except OSError:
        return []
    return [] if words[0] == "max" else words


def port_free(port: int) -> Iterator[Found]:
    try:
        check_port("127.0.0.1", port)
    except SystemExit as error:
        yield Found("port", "warn", str(error), typed("serve --port 0"))
    else:
        yield Found("port", "ok", f"{port} is free")
