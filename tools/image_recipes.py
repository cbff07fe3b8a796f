"""What is in each image that tests and examples run: Debian packages, wheels, and the few files of our own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

FORMAT = 2
"""Raise when the builder changes what it makes of an unchanged recipe."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image; paths have no leading slash."""

    name: str
    packages: tuple[str, ...]
    wheels: tuple[str, ...] = ()
    config: dict[str, object] = field(default_factory=dict)
    environment: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    directories: tuple[str, ...] = ()
    services_of_botocore: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """Return the name under which an engine knows the image (Podman puts ``localhost/`` in front)."""
        return f"pytest-ecs-tasks/{self.name}:1"

    @property
    def key(self) -> str:
        """Return a short hash that changes with the recipe; archives in the cache are named by it."""
        content = repr((FORMAT, self, DROPPED_PACKAGES, DROPPED_PATHS, BASE_FILES))
        return hashlib.sha256(content.encode()).hexdigest()[:12]


# Dependencies for installing and configuring, not for running: no maintainer script runs here.
DROPPED_PACKAGES = (
    "adduser",
    "debconf",
    "dpkg",
    "gcc-*-base",
    "init-system-helpers",
    "iproute2",
    "libperl5*",
    "logrotate",
    "lsb-base",
    "mailcap",
    "media-types",
    "openssl",
    "passwd",
    "perl",
    "perl-base",
    "perl-modules-*",
    "python3-distutils",
    "python3-lib2to3",
    "sensible-utils",
    "sysvinit-utils",
    "tar",
    "tzdata",
    "ucf",
)

DROPPED_PATHS = (
    "etc/init.d/",
    "etc/logrotate.d/",
    "lib/systemd/",
    "usr/lib/python3/dist-packages/lsb",
    "usr/lib/systemd/",
    "usr/share/bug/",
    "usr/share/doc/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
    "usr/share/menu/",
    "usr/share/python3/",
)

# Parts of Python's library that no container of a test needs.
DROPPED_FROM_PYTHON = ("/test/", "/idlelib/", "/ensurepip/", "/lib2to3/", "/turtledemo/", "/pydoc_data/")

BASE_FILES = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\n"
        "daemon:x:1:1:daemon:/:/bin/false\n"
        "www-data:x:33:33:www-data:/var/www:/bin/false\n"
        "redis:x:100:100:redis:/var/lib/redis:/bin/false\n"
        "app:x:1000:1000:app:/tmp:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/:/bin/false\n"
    ),
    "etc/group": (
        "root:x:0:\ndaemon:x:1:\nadm:x:4:\nwww-data:x:33:\nredis:x:100:\napp:x:1000:\nnogroup:x:65534:\n"
    ),
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}

_NGINX_SITE = """\
server {
    listen 80 default_server;
    root /usr/share/nginx/html;
    index index.html;
}
"""

_REGISTRY_SETTINGS = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
"""

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "busybox",
            packages=("busybox-static",),
            config={"Cmd": ["sh"]},
        ),
        Recipe(
            "python",
            packages=("python3", "ca-certificates", "busybox-static"),
            wheels=("boto3",),
            config={"Cmd": ["python3"]},
            environment=("PYTHONUNBUFFERED=1", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"),
            links={"usr/bin/python": "python3"},
            services_of_botocore=(
                "cloudwatch",
                "dynamodb",
                "ecs",
                "events",
                "kms",
                "lambda",
                "logs",
                "s3",
                "secretsmanager",
                "sns",
                "sqs",
                "ssm",
                "sso",
                "sso-oidc",
                "sts",
            ),
        ),
        # What a log router of the tests' own needs; no package has Fluent Bit or fluentd.
        Recipe(
            "router",
            packages=("python3", "python3-msgpack", "busybox-static"),
            config={"Cmd": ["python3"]},
            environment=("PYTHONUNBUFFERED=1",),
            links={"usr/bin/python": "python3"},
            directories=("fluent-bit/etc",),
        ),
        Recipe(
            "nginx",
            packages=("nginx", "busybox-static"),
            config={
                "Cmd": ["nginx", "-g", "daemon off;"],
                "ExposedPorts": {"80/tcp": {}},
                "StopSignal": "SIGQUIT",
            },
            files={"etc/nginx/conf.d/default.conf": _NGINX_SITE},
            links={"var/log/nginx/access.log": "/dev/stdout", "var/log/nginx/error.log": "/dev/stderr"},
            directories=("var/lib/nginx", "var/cache/nginx"),
        ),
        Recipe(
            "redis",
            packages=("redis-server", "redis-tools", "busybox-static"),
            config={
                "Cmd": ["redis-server", "--protected-mode", "no", "--save", ""],
                "ExposedPorts": {"6379/tcp": {}},
                "WorkingDir": "/data",
            },
            directories=("data",),
        ),
        # As Docker Hub's registry:2 is set up.
        Recipe(
            "registry",
            packages=("docker-registry", "busybox-static"),
            config={
                "Entrypoint": ["docker-registry"],
                "Cmd": ["serve", "/etc/docker/registry/config.yml"],
                "ExposedPorts": {"5000/tcp": {}},
                "Volumes": {"/var/lib/registry": {}},
            },
            files={"etc/docker/registry/config.yml": _REGISTRY_SETTINGS},
            directories=("var/lib/registry",),
        ),
    )
}
