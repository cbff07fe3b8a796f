"""Puts an example's application on top of a base image: the files beside its ``image.toml``, under /app."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from image_archive import Archive, Tree, extract_layers, make_config, pack, read_archive, read_config


@dataclass(frozen=True, slots=True)
class App:
    """An application image: ``base`` is the name of a recipe, ``command`` what the container runs."""

    tag: str
    base: str
    command: tuple[str, ...]
    directory: Path


def read_app(file: Path) -> App:
    """Read an ``image.toml``."""
    content = tomllib.loads(file.read_text())
    return App(content["name"], content["base"], tuple(content["command"]), file.parent)


def build_app(app: App, base: Archive, scratch: Path) -> Archive:
    """Build the application's archive in a scratch directory: it takes a moment, so nothing is kept."""
    tree = Tree()
    # In the layer, so that a changed command is a changed layer too.
    tree.add_file("etc/image-recipe", (app.directory / "image.toml").read_bytes())
    for file in sorted(app.directory.iterdir()):
        if file.is_file() and file.name != "image.toml":
            tree.add_file(f"app/{file.name}", file.read_bytes())
    layer = scratch / "app.tar"
    tree.write_layer(layer)
    layers = [*extract_layers(base.path, scratch), layer]
    _, base_config = read_config(base.path)
    settings = {**base_config["config"], "Cmd": list(app.command), "WorkingDir": "/app"}
    archive = scratch / "image.tar"
    pack(archive, app.tag, make_config(base_config["architecture"], settings, layers), layers)
    return read_archive(archive)
