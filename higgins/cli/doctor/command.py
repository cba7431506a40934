"""`higgins doctor` itself: which checks are made, and how what they found is told."""

from typing import Annotated

import msgspec
from cyclopts import Parameter

from higgins.cli.common import Json, print_json, run_async
from higgins.cli.doctor.finding import Finding, lines
from higgins.cli.doctor.machine import check_clock, check_files, check_store, new_folder
from higgins.cli.doctor.network import check_address
from higgins.cli.serving import settings_from
from higgins.config.addresses import Address, parse_addresses
from higgins.model.errors import Unfit
from higgins.runtime import Runtime
from higgins.settings import Flags, Settings


def doctor(
    *,
    bootstrap: Annotated[
        str,
        Parameter(
            name=["--bootstrap", "-b"],
            env_var="HIGGINS_BOOTSTRAP",
            help="HOST:PORT of a broker; where higgins up would listen, if not given.",
        ),
    ] = "",
    store: Annotated[str, Parameter(help="The store to try; the one higgins up would use, if not given.")] = "",
    config: Annotated[str, Parameter(help="The settings file; higgins.toml, if it is here, when not given.")] = "",
    json: Json = False,
) -> int:
    """Look for what keeps clients or a broker from working, and say how to mend it.

    The exit code is 1 when a check failed; warnings do not count.
    """
    return run_async(_doctor, Flags(store=store, config=config), bootstrap, json)


async def _doctor(flags: Flags, bootstrap: str, json: bool) -> int:
    findings = await _examine(flags, bootstrap)
    failed = sum(one.standing == "failed" for one in findings)
    if json:
        print_json({"ok": not failed, "findings": findings})
    else:
        for one in findings:
            print("\n".join(lines(one)))
        print("Nothing stands in the way." if not failed else f"{failed} of {len(findings)} checks failed.")
    return 1 if failed else 0


async def _examine(flags: Flags, bootstrap: str) -> list[Finding]:
    runtime = Runtime()
    findings: list[Finding] = []
    try:
        settings = settings_from(flags)
    except Unfit as error:
        findings += [_faulty(line) for line in str(error).splitlines()]
        settings = _without_the_rest(flags)
    for address in _addresses(bootstrap, settings):
        findings += await check_address(address)
    if bootstrap and settings.store == Settings().store and not flags.store and new_folder(settings.store):
        # Somebody asks about a broker elsewhere; that none could be started here is not what they want to know.
        findings.append(Finding(check="store", standing="skipped", what="Not checked: name the broker's with --store."))
    else:
        findings.append(await check_store(runtime, settings.store))
        findings.append(await check_clock(runtime, settings.store))
    findings.append(check_files(settings.server.connections_max))
    return findings


def _faulty(line: str) -> Finding:
    return Finding(
        check="settings",
        standing="failed",
        what=line,
        why="higgins up refuses to start; what follows was checked with the defaults.",
        fix="Correct it where the line says.",
    )


def _without_the_rest(flags: Flags) -> Settings:
    """The defaults, with the store that was asked for."""
    defaults = Settings()
    store = msgspec.structs.replace(defaults.store, url=flags.store or defaults.store.url)
    return msgspec.structs.replace(defaults, store=store)


def _addresses(bootstrap: str, settings: Settings) -> list[Address]:
    if not bootstrap:
        return [Address(one.host, one.port) for one in settings.server.listeners]
    try:
        return parse_addresses(bootstrap)
    except ValueError as error:
        raise Unfit(f"--bootstrap: {error}") from error
