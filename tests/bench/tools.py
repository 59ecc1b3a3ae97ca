"""Where the peers are: an environment of their own, made at the first run."""

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUT = HERE / "out"
PEERS = OUT / "peers"


def peer(name: str) -> str:
    """Return the path of a peer's program."""
    return str(PEERS / "bin" / name)


def install() -> None:
    """Make the environment unless it is there."""
    OUT.mkdir(exist_ok=True)
    made = PEERS / ".made"
    wanted = (HERE / "peers.txt").read_text()
    if made.exists() and made.read_text() == wanted:
        return
    print("installing the peers ...", file=sys.stderr)
    venv.create(PEERS, with_pip=True)
    subprocess.run([peer("pip"), "install", "--quiet", "-r", HERE / "peers.txt"], check=True)
    made.write_text(wanted)
