"""The command `higgins doctor`: runs the checks and prints their findings."""

from typing import Annotated

import msgspec
from cyclopts import Parameter

from higgins.cli.common import LINE_END, Json, print_json, run_async
from higgins.cli.doctor.finding import Finding, lines
from higgins.cli.doctor.machine import check_clock, check_files, check_store, new_folder
from higgins.cli.doctor.network import check_address
from higgins.cli.serving import settings_from
from higgins.config.addresses import Address, parse_addresses
from higgins.model.errors import Unfit
from higgins.model.words import counted
from higgins.runtime import Runtime
from higgins.settings import Flags, Settings
from higgins.telemetry.printable import printable


def doctor(
    *,
    bootstrap: Annotated[
        str,
        Parameter(
            name=["--bootstrap", "-b"],
            env_var="HIGGINS_BOOTSTRAP",
            help="HOST:PORT of a broker; by default where higgins up would listen.",
        ),
    ] = "",
    store: Annotated[str, Parameter(help="The store to check; by default the one that higgins up would use.")] = "",
    config: Annotated[str, Parameter(help="The settings file; by default ./higgins.toml, if it exists.")] = "",
    json: Json = False,
) -> int:
    """Check network, store and machine for problems, and print how to fix them."""
    return run_async(_doctor, Flags(store=store, config=config), bootstrap, json)


async def _doctor(flags: Flags, bootstrap: str, json: bool) -> int:
    findings = await _examine(flags, bootstrap)
    failed = sum(one.standing == "failed" for one in findings)
    if json:
        print_json({"ok": not failed, "findings": findings})
    else:
        for one in findings:
            print(printable("\n".join(lines(one)), keep=LINE_END))
        print("No problems found." if not failed else f"{failed} of {counted(len(findings), 'check')} failed.")
    return 1 if failed else 0


async def _examine(flags: Flags, bootstrap: str) -> list[Finding]:
    runtime = Runtime()
    findings: list[Finding] = []
    try:
        settings = settings_from(flags)
    except Unfit as error:
        findings += [_settings_error(line) for line in str(error).splitlines()]
        settings = _default_settings(flags)
    for address in _addresses(bootstrap, settings):
        findings += await check_address(address)
    if bootstrap and settings.store == Settings().store and not flags.store and new_folder(settings.store):
        # The user asks about a broker elsewhere. Whether one could be started here does not matter.
        findings.append(Finding(check="store", standing="skipped", what="Not checked: give its store with --store."))
    else:
        findings.append(await check_store(runtime, settings.store))
        findings.append(await check_clock(runtime, settings.store))
    findings.append(check_files(settings.server.connections_max))
    return findings


def _settings_error(line: str) -> Finding:
    return Finding(
        check="settings",
        standing="failed",
        what=line,
        why="higgins up refuses to start. The other checks used the default settings.",
        fix="Correct the setting that the message names.",
    )


def _default_settings(flags: Flags) -> Settings:
    """The defaults, with the store of the flags."""
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
