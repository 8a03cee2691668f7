"""The same talk on what a school would pick instead; each peer runs in .venv-bench, in a process of its own."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv-bench" / "bin" / "python"
PEERS = {
    "bot_framework": "Bot Framework (botbuilder-dialogs), state in SQLite",
    "lang_graph": "LangGraph, SqliteSaver, as documented",
    "lang_graph_once": "LangGraph, SqliteSaver, saved once a turn",
}


def installed() -> bool:
    """Whether `make bench` has made the peers' environment."""
    return (PYTHON.parent.parent / ".made").exists()


def turns_per_second(peer: str, families: int) -> float:
    """Play the talk with so many families on one of PEERS and an empty database.

    Raises subprocess.CalledProcessError when the peer answers wrongly or forgets its state.
    """
    with tempfile.TemporaryDirectory(prefix="presente-peer-") as folder:
        command = [str(PYTHON), "-m", f"benchmarks.peers.{peer}", f"{folder}/talks.db", str(families)]
        # LangGraph would post each step to its makers if the caller's environment asked for it.
        quiet = {"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, env=os.environ | quiet, stdout=subprocess.PIPE, check=True, timeout=300
        )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured["turns_per_second"]
