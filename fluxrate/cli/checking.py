"""`verify`: the columns held against the SQL store."""

from __future__ import annotations

import sys
import time

import click

from fluxrate.app import command_services, now
from fluxrate.cli.options import configured, meter_of
from fluxrate.config import Config
from fluxrate.core.verify import counted, told, verify
from fluxrate.progress import Steps


@click.command("verify")
@click.option("--questions", default=200, show_default=True, type=click.IntRange(1), help="How many to ask.")
@click.option("--seed", type=click.IntRange(0), help="The seed of an earlier run, to ask the same again.")
@click.option("--meter", "meter_refs", multiple=True, help="Only this meter; may be given several times.")
@configured
def verify_command(config: Config, questions: int, seed: int | None, meter_refs: tuple[str, ...]) -> None:
    """Ask random questions of the columns and of the SQL store, and print every difference.

    Works beside a running server, while events arrive. Exit status 1 if any answer differs.
    """
    started = time.monotonic()
    parts = command_services(config)
    asked = [meter_of(parts, ref) for ref in meter_refs] or parts.store.meters.all()
    seed = now() if seed is None else seed
    parts.live.load()
    click.echo(f"Seed {seed}, {counted(len(asked), 'meter')}, as of sequence {parts.engine.as_of()}.")
    done = differences = 0
    with Steps("questions", questions) as steps:
        for outcome in verify(parts, asked, questions, seed):
            for line in told(outcome):
                steps.say(line)
            done, differences = outcome.number, differences + len(outcome.differences)
            steps.step()
    parts.store.close()
    seconds = f"{time.monotonic() - started:.1f} seconds"
    click.echo(f"{counted(done, 'question')}, {counted(differences, 'difference')}, {seconds}.")
    sys.exit(1 if differences else 0)
