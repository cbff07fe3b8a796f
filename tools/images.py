"""Builds the images that tests and examples run, and loads them into an engine; needs no registry.

    python tools/images.py [--engine URL]... NAME... | all

Archives are built once, from Debian packages, and kept in ``$PYTEST_ECS_IMAGES_DIR`` or the user's cache. An image
is loaded only where the engine lacks it. The applications of ``examples/`` (``image/image.toml``) are names too:
a base image and a layer of their files. Prints a line per image. Safe to run from several processes at once.

Exit status: 0 done · 1 an image could not be built or loaded (the reason is printed).
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent))

import engine_api
import image_build
from image_apps import App, build_app, read_app
from image_archive import Archive, extract_layers, read_archive
from image_build import BuildError
from image_recipes import RECIPES, Recipe

LOAD_TIMEOUT_S = 120

ELSEWHERE = """\
the images are built from Debian packages, which cannot be had here. Build them once on any Debian or Ubuntu, for
example in a container:
    docker run --rm -v "$PWD:/src:ro" -v "{cache}:/images" -e PYTEST_ECS_IMAGES_DIR=/images debian:12 sh -c \\
        'apt-get update && apt-get install -y python3 python3-pip && python3 /src/tools/images.py all'
or copy the archives from another machine into {cache} (PYTEST_ECS_IMAGES_DIR)."""


def cache_dir() -> Path:
    """Return the directory that keeps built archives; created if missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = Path(os.environ.get("PYTEST_ECS_IMAGES_DIR") or cache / "pytest-ecs-tasks" / "images")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Let one process build or load, so that the others find the result."""
    with (cache_dir() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def find_or_build(recipe: Recipe) -> Archive:
    """Return the image's archive, built if the cache lacks it; raises BuildError."""
    path = cache_dir() / f"{recipe.name}-{recipe.key}.tar"
    if not path.exists():
        began = time.monotonic()
        try:
            image_build.build(recipe, path, cache_dir() / "workshop")
        except BuildError as error:
            hint = "" if image_build.can_build() else "\n" + ELSEWHERE.format(cache=cache_dir())
            raise BuildError(f"{recipe.tag}: {error}{hint}") from error
        for older in set(path.parent.glob(f"{recipe.name}-*.tar")) - {path}:
            older.unlink()
        size_mb = path.stat().st_size / 1e6
        print(
            f"images: {recipe.tag}: built in {time.monotonic() - began:.1f} s, {size_mb:.1f} MB", flush=True
        )
    return read_archive(path)


def registry_program() -> Path:
    """Return a registry's program that runs on this machine, taken from the image's archive; raises BuildError."""
    archive = find_or_build(RECIPES["registry"]).path
    program = cache_dir().parent / "programs" / archive.stem / "docker-registry"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
            (layer,) = extract_layers(archive, Path(scratch))
            with tarfile.open(layer) as tar:
                content = tar.extractfile("usr/bin/docker-registry")
                assert content is not None
                (Path(scratch) / program.name).write_bytes(content.read())
            (Path(scratch) / program.name).chmod(0o755)
            (Path(scratch) / program.name).rename(program)
    return program


def find_apps() -> dict[str, App]:
    """Find the examples' application images, by the directory name of the example."""
    examples = Path(__file__).resolve().parent.parent / "examples"
    return {file.parent.parent.name: read_app(file) for file in sorted(examples.glob("*/image/image.toml"))}


def known_names() -> list[str]:
    """List everything that can be built, base images before what stands on them."""
    return [*RECIPES, *find_apps()]


def load(tag: str, archive: Archive, engine: engine_api.Engine) -> str:
    """Load an image into an engine that lacks it; returns what was done, in words. Raises ApiError or OSError."""
    if _loaded_layers(tag, engine) == archive.layers:
        return "already there"
    began = time.monotonic()
    with archive.path.open("rb") as body:
        answer = engine_api.call(engine.url, "POST", _load_path(engine), body, timeout_s=LOAD_TIMEOUT_S)
    if _loaded_layers(tag, engine) != archive.layers:
        raise engine_api.ApiError(
            f"{engine.name} did not take {archive.path}: {answer.decode(errors='replace')}"
        )
    return f"loaded in {time.monotonic() - began:.1f} s"


def provide(names: list[str], engines: list[engine_api.Engine]) -> None:
    """Build what the cache lacks and load what the engines lack; raises BuildError, ApiError or OSError."""
    apps = find_apps()
    for name in names:
        with only_one_at_a_time(), tempfile.TemporaryDirectory() as scratch:
            if name in apps:
                tag = apps[name].tag
                archive = build_app(apps[name], find_or_build(RECIPES[apps[name].base]), Path(scratch))
            else:
                tag = RECIPES[name].tag
                archive = find_or_build(RECIPES[name])
            for engine in engines:
                done = load(tag, archive, engine)
                print(f"images: {tag} {archive.image_id[:19]} on {engine.name}: {done}", flush=True)
        if not engines:
            print(f"images: {tag} {archive.image_id[:19]}", flush=True)


def _loaded_layers(tag: str, engine: engine_api.Engine) -> tuple[str, ...]:
    # Podman resolves a bare name through its registries; its own images are localhost/.
    reference = f"localhost/{tag}" if engine.name == "podman" else tag
    try:
        image = engine_api.call_json(engine.url, "GET", f"/images/{quote(reference)}/json", timeout_s=30)
    except engine_api.ApiError:
        return ()
    # The layers, not the id: Docker's containerd store reports another id for the same image.
    return tuple(image["RootFS"]["Layers"])


def _load_path(engine: engine_api.Engine) -> str:
    # Podman's own API keeps the tag under localhost/; its Docker-compatible one may put it under docker.io/.
    return "/v4.0.0/libpod/images/load" if engine.name == "podman" else "/images/load?quiet=1"


def main(arguments: list[str]) -> int:
    """Run the command line described at the top of this file."""
    known = known_names()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="+", choices=(*known, "all"), metavar="NAME")
    parser.add_argument(
        "--engine", action="append", default=[], metavar="URL", help="where to load; may be repeated"
    )
    options = parser.parse_args(arguments)
    names = known if "all" in options.names else options.names
    engines = []
    for url in options.engine:
        engine = engine_api.probe(url)
        if engine is None:
            print(f"images: no engine answers at {url}; try 'python tools/engines.py any'", file=sys.stderr)
            return 1
        engines.append(engine)
    try:
        provide(names, engines)
    except (BuildError, engine_api.ApiError, OSError) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
