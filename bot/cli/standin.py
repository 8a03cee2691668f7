"""`presente standin`: a server that speaks Twilio's Messages API and misbehaves on purpose, for rehearsals."""

import signal
import threading
from dataclasses import replace
from pathlib import Path

import click

# Invented, so that a rehearsal needs no credentials at all.
_ACCOUNT, _TOKEN = "AC" + "0" * 32, "standin"


@click.command("standin")
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, help="host:port; port 0 takes a free one."
)
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same decisions.")
@click.option("--trouble", type=click.Choice(["none", "mild", "wild"]), default="none", show_default=True)
@click.option(
    "--latency-ms", type=click.IntRange(0, 60_000), help="Answer after this time, no more, no less."
)
@click.option(
    "--book",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append each text that reached a phone, a line of JSON each.",
)
@click.option("--account", default=_ACCOUNT, show_default=True, help="The account (AC...).")
@click.option("--token", default=_TOKEN, show_default=True, help="Its auth token.")
@click.option("--number", default="+12035550100", show_default=True, help="The number families text.")
@click.option("--messaging-service", default="", help="The Messaging Service (MG...) that number is in.")
@click.option("--advanced-opt-out", is_flag=True, help="That service tells us of STOP, START and HELP.")
@click.option("--answer-url", default="", help="Where families' texts are posted to.")
@click.option("--fallback-url", default="", help="Where they are posted to when that fails.")
@click.option("--receipts/--no-receipts", default=True, show_default=True, help="Post words on delivery.")
def standin_command(
    listen: str,
    seed: int,
    trouble: str,
    latency_ms: int | None,
    book: Path | None,
    account: str,
    token: str,
    number: str,
    messaging_service: str,
    advanced_opt_out: bool,
    answer_url: str,
    fallback_url: str,
    receipts: bool,
) -> None:
    """Stand in for Twilio on this machine. The first line printed is its address.

    What reached a phone is at /book, what happened how often at /counts; POST number= and words= to
    /family and a family writes.
    """
    from bot.provider.standin import PRESETS, Standin

    host, _, port = listen.rpartition(":")
    if not (host and port.isdecimal() and int(port) <= 65535):
        raise click.UsageError(f"--listen {listen} is not host:port; write one like 127.0.0.1:0")
    behaviour = PRESETS[trouble]
    if latency_ms is not None:
        seconds = latency_ms / 1000
        behaviour = replace(behaviour, latency=(seconds, seconds), long_latency=0.0)
    stopped = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: stopped.set())
    standin = Standin(
        account_sid=account,
        auth_token=token,
        seed=seed,
        listen=listen,
        trouble=behaviour,
        number=number,
        service_sid=messaging_service,
        advanced_opt_out=advanced_opt_out,
        answer_url=answer_url,
        fallback_url=fallback_url,
        book_file=book,
    )
    standin.posts_receipts = receipts
    with standin:
        click.echo(standin.url)
        stopped.wait()
