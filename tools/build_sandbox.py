"""Build the sandbox's programs from their source, or check that the committed ones are what it builds.

    python tools/build_sandbox.py            # compare; exits with 1 when they differ
    python tools/build_sandbox.py --write    # replace the binaries and SHA256SUMS

Needs ``ziglang`` in exactly the version below: another compiler makes other bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ZIGLANG = "0.17.1"
HERE = Path(__file__).resolve().parent.parent / "pytest_ecs_tasks" / "runtimes" / "sandbox"
TARGETS = {"amd64": "x86_64-linux-musl", "arm64": "aarch64-linux-musl"}
FLAGS = ("-std=c11", "-static", "-Os", "-s", "-Wall", "-Wextra", "-Wconversion", "-Werror")


def build(architecture: str, folder: Path) -> bytes:
    """Compile the sandbox for one architecture and return the program."""
    program = folder / f"sandbox-{architecture}"
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[architecture], *FLAGS]
    # A relative name, so that no folder of this machine could reach the bytes.
    subprocess.run([*compiler, "-o", str(program), "sandbox.c"], cwd=HERE, check=True)
    return program.read_bytes()


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="replace the committed binaries")
    write = parser.parse_args().write
    try:
        found = version("ziglang")
    except PackageNotFoundError:
        found = "none"
    if found != ZIGLANG:
        print(f"ziglang {ZIGLANG} is needed, found {found}: pip install ziglang=={ZIGLANG}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        programs = {f"sandbox-{name}": build(name, Path(folder)) for name in TARGETS}
    sums = "".join(f"{hashlib.sha256(program).hexdigest()}  {name}\n" for name, program in programs.items())
    if write:
        for name, program in programs.items():
            (HERE / name).write_bytes(program)
            (HERE / name).chmod(0o755)
        (HERE / "SHA256SUMS").write_text(sums)
    different = [name for name, program in programs.items() if (HERE / name).read_bytes() != program]
    if (HERE / "SHA256SUMS").read_text() != sums:
        different.append("SHA256SUMS")
    for name in different:
        print(f"{name} is not what sandbox.c builds: run tools/build_sandbox.py --write", file=sys.stderr)
    print(sums, end="")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
