"""Checks of what a broker on this machine needs: its store, the clock, the limit of open files."""

import http.client
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from higgins.cli.doctor.finding import Finding
from higgins.model.errors import HigginsError, Unfit
from higgins.runtime import Runtime
from higgins.storage.open import store_from
from higgins.storage.probe import probe
from higgins.storage.settings import StoreSettings
from higgins.telemetry.process import most_open_files

CLOCK_PATIENCE_S = 5.0
STORE_PATIENCE_S = 10.0
"""How long a store that fails is tried again; less than at a start, because somebody waits for the answer."""

CLOCK_WARNING_S = 30
CLOCK_FAILED_S = 900
"""How far a clock may be off before S3 and what speaks it refuse every request."""

FILES_MIN = 256
FILES_SPARE = 64
"""Descriptors that are not connections: the store, the listeners, the event loop."""

_CLOCKS = {"s3": "https://s3.amazonaws.com", "s3a": "https://s3.amazonaws.com", "gs": "https://storage.googleapis.com"}


async def check_store(runtime: Runtime, settings: StoreSettings) -> Finding:
    """Whether the store supports commits. It runs the probe of a starting broker, which leaves nothing behind."""
    new = new_folder(settings)
    try:
        with ExitStack() as stack:
            # A directory that does not exist is not created: another one beside it is tried.
            url = str(stack.enter_context(_temporary_folder(new))) if new else settings.url
            store = store_from(runtime, msgspec.structs.replace(settings, url=url))
            refusal = await probe(store, runtime.token(12).hex(), patience_s=STORE_PATIENCE_S)
            if refusal:
                raise Unfit(f"{refusal} A broker on it only reads.")
    except HigginsError as error:
        return Finding(
            check="store",
            standing="failed",
            what=f"{settings.url} cannot be used: {error}",
            why="A broker keeps all data there. A commit is an object that only one node can have created.",
            fix="Correct what the message names, or choose another store with --store.",
        )
    if settings.url.startswith("memory:"):
        return Finding(
            check="store",
            standing="warning",
            what="memory:// honours create-if-absent.",
            why="All data is lost when the process ends.",
            fix="To keep data, give a directory or a bucket with --store.",
        )
    note = ", which can be created," if new else ""
    return Finding(check="store", standing="ok", what=f"{settings.url}{note} honours create-if-absent.")


def new_folder(settings: StoreSettings) -> Path | None:
    """The directory that the settings name, if it does not exist yet."""
    if settings.url.startswith("file://"):
        folder = Path(unquote(urlsplit(settings.url).path)).absolute()
    elif "://" not in settings.url:
        folder = Path(settings.url).expanduser().absolute()
    else:
        return None
    return None if folder.exists() else folder


@contextmanager
def _temporary_folder(target: Path) -> Iterator[Path]:
    """A temporary folder in the nearest existing parent of a directory. Raises: Unfit."""
    above = next(one for one in target.parents if one.exists())
    try:
        with tempfile.TemporaryDirectory(prefix="higgins-doctor-", dir=above) as folder:
            yield Path(folder)
    except OSError as error:
        raise Unfit(
            f"No directory can be created in {above}: {error.strerror}. Give this user permission to write there."
        ) from error


async def check_clock(runtime: Runtime, settings: StoreSettings) -> Finding:
    """Compares this machine's clock with that of the store, if the store reports one."""
    url = settings.endpoint or os.environ.get("AWS_ENDPOINT_URL", "") or _CLOCKS.get(urlsplit(settings.url).scheme, "")
    if not url:
        return Finding(check="clock", standing="skipped", what="Not checked: this store reports no time.")
    try:
        store_ms = await runtime.offload("other", _date_of, url)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Finding(check="clock", standing="skipped", what=f"Not checked: {url} reports no time: {error}")
    off_s = (runtime.now_ms() - store_ms) / 1000
    # The Date header has whole seconds.
    what = f"This clock is {abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} that of {url}."
    if abs(off_s) <= CLOCK_WARNING_S:
        return Finding(check="clock", standing="ok", what=what)
    return Finding(
        check="clock",
        standing="warning" if abs(off_s) < CLOCK_FAILED_S else "failed",
        what=what,
        why="Records carry the time of this clock, and a store refuses signatures that are 15 minutes off.",
        fix="Turn on time synchronisation: timedatectl set-ntp true, or start chronyd.",
    )


def _date_of(url: str) -> int:
    """The time that a web server reports, in milliseconds. Blocks."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=CLOCK_PATIENCE_S)
    try:
        connection.request("HEAD", "/")
        date = connection.getresponse().getheader("Date")
    finally:
        connection.close()
    if date is None:
        raise ValueError("its responses have no Date header")
    return int(parsedate_to_datetime(date).timestamp() * 1000)


def check_files(connections_max: int) -> Finding:
    """Whether the limit of open files allows as many connections as the settings do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A broker raises its own limit up to the hard limit.
    allowed, needed = max(soft, most_open_files(hard)), connections_max + FILES_SPARE
    if soft == resource.RLIM_INFINITY or allowed >= needed:
        return Finding(check="open files", standing="ok", what=f"{_shown(soft, allowed)} allowed, {needed} needed.")
    return Finding(
        check="open files",
        standing="warning" if allowed >= FILES_MIN else "failed",
        what=f"{allowed} allowed, {needed} needed.",
        why=f"A broker started here refuses clients beyond about {max(allowed - FILES_SPARE, 0)} connections.",
        fix=f"As root: ulimit -Hn {needed}; in a systemd unit LimitNOFILE=65536; "
        "in docker-compose.yml ulimits: {nofile: 65536}.",
    )


def _shown(soft: int, allowed: int) -> str:
    return "Any number" if soft == resource.RLIM_INFINITY else str(allowed)
