"""Commands that run: run, demo, unit."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from postroom import output, systemd, witness
from postroom.cli import ConfigOption, app
from postroom.config import find_config
from postroom.keys import checkpoint_key
from postroom.opened import Opened, open_all
from store import mailboxes, schema
from store.errors import PermanentError

log = logging.getLogger("postroom")
CHECKPOINT_EVERY = timedelta(minutes=1)
PASS_PATIENCE = 5.0  # seconds that a send pass waits for slow servers before it lets the others have their turn
WITNESS_EVERY = timedelta(seconds=10)


@app.command()
def run(config: ConfigOption = None) -> None:
    """Run the daemon until SIGTERM: the message in hand is finished, no new one begins."""
    opened = open_all(find_config(config), inline=False)
    collect_seldom()
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(_run(opened))


def collect_seldom() -> None:
    """Look for cyclic garbage every 50,000 new objects, not every 700: that search was a tenth of a send's CPU."""
    gc.freeze()  # what was imported stays
    gc.set_threshold(50_000, 20, 50)


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop where the extra `speed` is installed, None for the standard one."""
    try:
        import uvloop
    except ImportError:
        return None
    loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return loop


async def _run(opened: Opened) -> None:
    from postroom.checkpoints import sign_and_publish
    from postroom.clock import ClockWatch, SystemClock
    from postroom.config_trail import record_start
    from postroom.endpoint import make_server, wish_desk
    from postroom.supervisor import Supervisor
    from postroom.wiring import build_house

    clock = SystemClock()
    await wish_desk(opened, clock).drain()
    changed = await opened.store.write(record_start, opened.config, opened.secret, clock.now())
    if changed:
        log.info("configuration changed since the last start: %s", ", ".join(changed))
    house = build_house(opened, clock, alarm=ClockWatch().reason, patience=PASS_PATIENCE)
    supervisor = Supervisor(clock, house.stations())
    key = checkpoint_key(opened.folder / opened.config.postroom.checkpoint_key)

    async def sign_head() -> None:
        await sign_and_publish(opened.store, key, opened.config.audit, opened.folder, clock.now())

    async def remember() -> None:
        if not await opened.store.read(schema.hold_reason):
            file = opened.folder / opened.config.postroom.witness
            witness.remember(file, *await opened.store.read(schema.progress))

    supervisor.every(CHECKPOINT_EVERY, "audit checkpoint", sign_head)
    supervisor.every(WITNESS_EVERY, "witness", remember)

    def stop() -> None:
        systemd.notify("STOPPING=1")
        house.sender.stopping = True
        supervisor.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    server, place = make_server(opened, clock), _public_place(opened)
    serving = asyncio.create_task(server.serve(sockets=[place])) if place else None
    systemd.notify("READY=1")
    try:
        await supervisor.run()
    finally:
        server.should_exit = True
        if serving is not None:
            await serving
        await house.close()
        await remember()
        await opened.store.write(mailboxes.release_leases, opened.config.store.node, clock.now())
        opened.store.close()


def _public_place(opened: Opened) -> socket.socket | None:
    """Return the socket of the public endpoint; None when it is served apart."""
    from postroom.endpoint import listen

    if opened.config.endpoint.serve == "apart":
        return None
    try:
        return listen(opened.config.endpoint)
    except PermanentError as problem:
        log.warning("%s; the public endpoint is not served here: is `postroom endpoint` running?", problem)
        return None


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="the same seed plays the same six weeks")] = 1,
    keep: Annotated[Path | None, typer.Option(help="leave database, configuration and mail in this folder")] = None,
) -> None:
    """Play six weeks of the whole job on loopback: no account, no network."""
    from postroom.demo import play

    problems = asyncio.run(play(seed, keep))
    if problems:
        raise typer.Exit(1)


@app.command()
def unit(
    config: ConfigOption = None,
    endpoint: Annotated[bool, typer.Option("--endpoint", help="of the public endpoint in its own process")] = False,
) -> None:
    """Print a hardened systemd unit for this configuration."""
    output.console.print(
        systemd.render_unit(find_config(config), "endpoint" if endpoint else "run"),
        markup=False,
        highlight=False,
        soft_wrap=True,
        end="",
    )
