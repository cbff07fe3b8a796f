"""Builds an image archive from Debian packages and wheels: no base image, daemon build, chroot or root.

apt resolves the packages against an empty system, so that the result depends on nothing installed here; their data
archives are merged into one layer with sorted names and no times. The same packages give the same bytes.
"""

from __future__ import annotations

import fnmatch
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from image_archive import Tree, make_config, pack
from image_recipes import BASE_FILES, DROPPED_FROM_PYTHON, DROPPED_PACKAGES, DROPPED_PATHS, Recipe

USR_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
SITE_PACKAGES = "usr/lib/python3/dist-packages"


class BuildError(Exception):
    """An image could not be built; the text says why and what to do."""


def can_build() -> bool:
    """Tell whether this machine has Debian's tools."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg-deb") is not None


def build(recipe: Recipe, archive: Path, workshop: Path) -> None:
    """Write the image as a ``docker load`` archive; ``workshop`` keeps downloads for the next image.

    Raises BuildError.
    """
    if not can_build():
        raise BuildError("building images needs apt-get and dpkg-deb (Debian or Ubuntu, root is not needed)")
    tree = _empty_system()
    for package in _download(_closure(recipe.packages, workshop), workshop):
        _add_package(tree, package)
    _add_busybox_applets(tree)
    _add_certificates(tree)
    if "python3" in recipe.packages:
        _add_python(tree, recipe)
    for path, text in {**BASE_FILES, **recipe.files, "etc/image-recipe": recipe.key + "\n"}.items():
        tree.add_file(path, text.encode())
    for path in recipe.directories:
        tree.add_directory(path)
    for path, target in recipe.links.items():
        tree.add_link(path, target)
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        layer = Path(scratch) / "layer.tar"
        tree.write_layer(layer)
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        config = make_config(_machine(), {"Env": [path, *recipe.environment], **recipe.config}, [layer])
        pack(archive, recipe.tag, config, [layer])


def _empty_system() -> Tree:
    tree = Tree()
    for name in (*USR_MERGED[:3], "lib64"):
        tree.add_directory(f"usr/{name}")
        tree.add_link(name, f"usr/{name}")
    for name in ("dev", "etc", "proc", "root", "run", "sys", "var/lib", "var/log"):
        tree.add_directory(name)
    for name in ("tmp", "var/tmp"):
        tree.add_directory(name, 0o1777)
    tree.add_link("var/run", "/run")
    return tree


# -- packages ------------------------------------------------------------------------------------------------------


def _closure(packages: tuple[str, ...], workshop: Path) -> list[str]:
    """Return the .deb names (``name_version_architecture.deb``) that apt would install on an empty system."""
    (workshop / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    arguments = [
        *_apt(workshop),
        *("-o", "Dir::State::status=/dev/null", "-o", "APT::Install-Recommends=0"),
        *("-o", f"Dir::State::extended_states={workshop / 'extended_states'}"),
        *("-o", f"Dir::Cache::archives={workshop / 'archives'}/"),
        *("--print-uris", "-y", "install", *packages),
    ]
    try:
        listing = _run(arguments)
    except BuildError:
        _update_own_lists(workshop)
        listing = _run([arguments[0], *_own_lists(workshop), *arguments[1:]])
    names = [line.split()[1] for line in listing.splitlines() if line.startswith("'")]
    return [name for name in names if not _is_dropped(name.partition("_")[0])]


def _is_dropped(package: str) -> bool:
    return any(fnmatch.fnmatchcase(package, pattern) for pattern in DROPPED_PACKAGES)


def _download(debs: list[str], workshop: Path) -> list[Path]:
    """Fetch the packages that the workshop lacks, through apt, which checks their hashes."""
    store = workshop / "debs"
    store.mkdir(parents=True, exist_ok=True)
    missing = [name for name in debs if not (store / name).exists()]
    if missing:
        wanted = ["=".join(name.split("_")[:2]).replace("%3a", ":") for name in missing]
        with tempfile.TemporaryDirectory(dir=workshop) as scratch:
            arguments = [*_apt(workshop), "-o", "APT::Sandbox::User=root", "download", *wanted]
            try:
                _run(arguments, cwd=scratch)
            except BuildError:
                # Lists on a machine that has not run "apt-get update" for long name versions that are gone.
                _update_own_lists(workshop)
                raise
            for file in Path(scratch).iterdir():
                file.rename(store / file.name)
    return [store / name for name in debs]


def _apt(workshop: Path) -> list[str]:
    return ["apt-get", "-qq", *(_own_lists(workshop) if (workshop / "lists").is_dir() else [])]


def _own_lists(workshop: Path) -> list[str]:
    return [
        *("-o", f"Dir::State::lists={workshop / 'lists'}/", "-o", "Acquire::Retries=3"),
        *("-o", f"Dir::Cache::pkgcache={workshop / 'pkgcache.bin'}"),
        *("-o", f"Dir::Cache::srcpkgcache={workshop / 'srcpkgcache.bin'}", "-o", "APT::Sandbox::User=root"),
    ]


def _update_own_lists(workshop: Path) -> None:
    """Fetch package lists into the workshop: the machine's may be empty, and are root's."""
    (workshop / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    _run(["apt-get", "-qq", *_own_lists(workshop), "update"])


def _add_package(tree: Tree, package: Path) -> None:
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, stdout=subprocess.PIPE).stdout
    hard_links = []
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            path = member.name.removeprefix("./").strip("/")
            if not path or f"{path}/".startswith(DROPPED_PATHS):
                continue
            path = _usr_merged(path)
            content = tar.extractfile(member) if member.isfile() else None
            if member.isdir():
                tree.add_directory(path, member.mode)
            elif member.issym():
                tree.add_link(path, member.linkname)
            elif member.islnk():
                hard_links.append((path, _usr_merged(member.linkname.removeprefix("./"))))
            elif content is not None:
                tree.add_file(path, content.read(), member.mode)
    for path, target in hard_links:
        tree.entries[path] = tree.entries[target]


def _usr_merged(path: str) -> str:
    return f"usr/{path}" if path.partition("/")[0] in USR_MERGED else path


def _add_busybox_applets(tree: Tree) -> None:
    """Link every applet that no real program provides, /bin/sh above all."""
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch) / "busybox"
        program.write_bytes(tree.entries["usr/bin/busybox"].data)
        program.chmod(0o755)
        applets = _run([str(program), "--list"]).split()
    for applet in applets:
        if f"usr/bin/{applet}" not in tree.entries and f"usr/sbin/{applet}" not in tree.entries:
            tree.add_link(f"usr/bin/{applet}", "busybox")


def _add_certificates(tree: Tree) -> None:
    """Make the bundle that ca-certificates' maintainer script would make."""
    certificates = [path for path in tree.files(".crt") if path.startswith("usr/share/ca-certificates/")]
    if certificates:
        bundle = b"".join(tree.entries[path].data for path in certificates)
        tree.add_file("etc/ssl/certs/ca-certificates.crt", bundle)


# -- Python --------------------------------------------------------------------------------------------------------


def _add_python(tree: Tree, recipe: Recipe) -> None:
    """Add the wheels, drop what no test needs, and compile, so that no container pays for it at each start."""
    version = tree.entries["usr/bin/python3"].target.removeprefix("python")
    if recipe.wheels:
        _add_wheels(tree, recipe, version)
    for path in [path for path in tree.entries if any(part in path + "/" for part in DROPPED_FROM_PYTHON)]:
        del tree.entries[path]
    _compile(tree, version)


def _add_wheels(tree: Tree, recipe: Recipe, version: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        site = Path(scratch) / "site"
        _run(
            [
                *(
                    sys.executable,
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-compile",
                    "--disable-pip-version-check",
                ),
                *("--only-binary=:all:", "--python-version", version, "--target", str(site), *recipe.wheels),
            ]
        )
        for file in sorted(site.rglob("*")):
            path = file.relative_to(site).as_posix()
            if file.is_file() and not _is_unwanted_wheel_file(path, recipe):
                tree.add_file(f"{SITE_PACKAGES}/{path}", file.read_bytes())


def _is_unwanted_wheel_file(path: str, recipe: Recipe) -> bool:
    """Tell whether a file is pip's own note, or the data (100 MB in all) of an AWS service that no container calls."""
    parts = path.split("/")
    is_pips = parts[0] == "bin" or parts[-1] in ("RECORD", "INSTALLER", "REQUESTED")
    is_service = parts[:2] == ["botocore", "data"] and len(parts) > 3
    return is_pips or (is_service and parts[2] not in recipe.services_of_botocore)


def _compile(tree: Tree, version: str) -> None:
    """Put compiled modules beside the sources; by the image's own Python version, else not at all."""
    interpreter = _interpreter(version)
    if interpreter is None:
        return
    with tempfile.TemporaryDirectory() as scratch:
        for path in tree.files(".py"):
            source = Path(scratch) / path
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_bytes(tree.entries[path].data)
        subprocess.run(
            [
                *(interpreter, "-m", "compileall", "-q", "-s", scratch, "-p", "/"),
                *("--invalidation-mode", "unchecked-hash", f"{scratch}/usr/lib"),
            ],
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""},
            stdout=subprocess.DEVNULL,
            # Debian ships a few modules that do not compile (templates); they stay sources.
            check=False,
        )
        for compiled in sorted(Path(scratch).rglob("*.pyc")):
            tree.add_file(compiled.relative_to(scratch).as_posix(), compiled.read_bytes())


def _interpreter(version: str) -> str | None:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    return shutil.which(f"python{version}", path=f"/usr/bin{os.pathsep}{os.environ.get('PATH', '')}")


def _machine() -> str:
    return _run(["dpkg", "--print-architecture"]).strip()


def _run(arguments: Iterable[str], cwd: str | None = None) -> str:
    """Run a program and return its output; raises BuildError with the end of what it said."""
    command = list(arguments)
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise BuildError(f"{Path(command[0]).name} {command[-1]} failed:\n{tail}")
    return done.stdout
