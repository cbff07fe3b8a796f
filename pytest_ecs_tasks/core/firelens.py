"""FireLens: the configuration that a log router gets, the variables around it, and who has to wait for it.

Sources: amazon-ecs-agent, agent/taskresource/firelens (the configuration's sections and their order), agent/api/task
(variables, dependencies, places), agent/engine/docker_task_engine.go (``FLUENT_*``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.go import parse_bool
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, FirelensType, NetworkMode, TaskDefinition

PORT = 24224
SOCKET_DIRECTORY = "/var/run"
_SOCKET = f"{SOCKET_DIRECTORY}/fluent.sock"
CONFIG_PATHS = {
    FirelensType.FLUENTBIT: "/fluent-bit/etc/fluent-bit.conf",
    FirelensType.FLUENTD: "/fluentd/etc/fluent.conf",
}
EXTERNAL_PATHS = {
    FirelensType.FLUENTBIT: "/fluent-bit/etc/external.conf",
    FirelensType.FLUENTD: "/fluentd/etc/external.conf",
}
OUTPUT_KEYS = {FirelensType.FLUENTBIT: "Name", FirelensType.FLUENTD: "@type"}
BUFFER_LIMIT = "log-driver-buffer-limit"  # an option of the driver, not of the router
INCLUDE, EXCLUDE = "include-pattern", "exclude-pattern"
METADATA_OPTION = "enable-ecs-log-metadata"
CONFIG_TYPE, CONFIG_VALUE = "config-file-type", "config-file-value"

_DEFAULT_BUFFER_MB = 25
_LISTEN = {NetworkMode.AWSVPC: "127.0.0.1", NetworkMode.BRIDGE: "0.0.0.0"}  # noqa: S104 - in the router
_HEALTH_PORT, _HEALTH_TAG = "8877", "firelens-healthcheck"


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """What a router's configuration is made of.

    ``memory_mib``: the router's memoryReservation, else its memory, else 0. ``metadata``: what is added to every
    record. ``outputs``: each container's log options, by its name. ``external``: a file to include.
    """

    kind: FirelensType
    network_mode: NetworkMode
    memory_mib: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    external: str | None = None


def router_config(task: TaskDefinition, *, cluster: str, task_arn: str) -> RouterConfig:
    """Return what the configuration of a task's router is made of; the task has a router."""
    router = task.router
    assert router is not None
    assert router.firelens is not None
    options = router.firelens.options
    metadata = {
        "ecs_cluster": cluster,
        "ecs_task_arn": task_arn,
        "ecs_task_definition": f"{task.family}:{task.revision}",
    }
    return RouterConfig(
        kind=router.firelens.kind,
        network_mode=task.network_mode,
        memory_mib=router.memory_reservation_mib or router.memory_mib or 0,
        metadata=metadata if adds_metadata(options) else {},
        outputs={
            container.name: _log_options(container, index, router.firelens.kind)
            for index, container in enumerate(task.containers)
            if is_routed(container)
        },
        external=_external(router.firelens.kind, options),
    )


def is_routed(container: ContainerDefinition) -> bool:
    """Tell whether a container's output goes to the router."""
    return container.log_configuration is not None and container.log_configuration.driver == "awsfirelens"


def adds_metadata(options: Mapping[str, str]) -> bool:
    """Tell whether records get the task's names; a value that is no truth value switches that off, as in the agent."""
    value = options.get(METADATA_OPTION)
    return value is None or parse_bool(value) is True


def variable(option: str, index: int) -> str:
    """Return the router's variable that holds a secret log option of the container at that place."""
    return f"{option}_{index}"


def missing_output(options: Mapping[str, str], kind: FirelensType) -> str | None:
    """Return the agent's complaint about log options that name no output, if that is wrong with them."""
    key = OUTPUT_KEYS[kind]
    rest = [name for name in options if name not in (key, INCLUDE, EXCLUDE, BUFFER_LIMIT)]
    if key in options or not rest:
        return None
    return f"missing output key {key} which is required for firelens configuration of type {kind}"


def router_environment(kind: FirelensType) -> dict[str, str]:
    """Return the variables that the agent gives the router: fluentd has to be root, to open its socket."""
    return {"FLUENT_UID": "0"} if kind is FirelensType.FLUENTD else {}


def client_environment(mode: NetworkMode, router_address: str | None) -> dict[str, str]:
    """Return the variables by which a container that uses the router finds it; ``router_address`` counts in bridge mode."""
    host = (
        "127.0.0.1" if mode is NetworkMode.AWSVPC else router_address if mode is NetworkMode.BRIDGE else None
    )
    return {"FLUENT_HOST": host, "FLUENT_PORT": str(PORT)} if host else {}


def config_directory(kind: FirelensType) -> str:
    """Return the directory in the router that its configuration is in."""
    return CONFIG_PATHS[kind].rpartition("/")[0]


def render(config: RouterConfig) -> str:
    """Return the configuration as the router reads it."""
    sections = _fluent_bit(config) if config.kind is FirelensType.FLUENTBIT else _fluentd(config)
    return "".join(f"\n{section}\n" for section in sections)


def _log_options(container: ContainerDefinition, index: int, kind: FirelensType) -> dict[str, str]:
    """Return a container's log options; a secret one is the router's variable, in the router's own syntax."""
    logs = container.log_configuration
    assert logs is not None
    form = "${%s}" if kind is FirelensType.FLUENTBIT else "\"#{ENV['%s']}\""
    options = {name: value for name, value in logs.options.items() if name != BUFFER_LIMIT}
    return {**options, **{each.name: form % variable(each.name, index) for each in logs.secret_options}}


def _external(kind: FirelensType, options: Mapping[str, str]) -> str | None:
    match options.get(CONFIG_TYPE):
        case "file":
            return options[CONFIG_VALUE]
        case "s3":
            return EXTERNAL_PATHS[kind]
        case _:
            return None


def _plugin_options(options: Mapping[str, str], kind: FirelensType) -> list[tuple[str, str]]:
    own = (OUTPUT_KEYS[kind], INCLUDE, EXCLUDE)
    return sorted((name, value) for name, value in options.items() if name not in own)


def _patterns(config: RouterConfig, option: str) -> Iterator[tuple[str, str]]:
    for name, options in config.outputs.items():
        if option in options:
            yield name, options[option]


def _fluent_bit(config: RouterConfig) -> Iterator[str]:
    buffer_mb = config.memory_mib // 2 or _DEFAULT_BUFFER_MB
    yield _section("INPUT", "forward", [("Mem_Buf_Limit", f"{buffer_mb}MB"), ("unix_path", _SOCKET)])
    listen = _LISTEN.get(config.network_mode)
    if listen:
        yield _section("INPUT", "forward", [("Listen", listen), ("Port", str(PORT))])
        health = [("Tag", _HEALTH_TAG), ("Listen", "127.0.0.1"), ("Port", _HEALTH_PORT)]
        yield _section("INPUT", "tcp", health)
    for name, pattern in _patterns(config, INCLUDE):
        yield f"[FILTER]\n    Name   grep\n    Match {name}-firelens*\n    Regex  log {pattern}"
    for name, pattern in _patterns(config, EXCLUDE):
        yield f"[FILTER]\n    Name   grep\n    Match {name}-firelens*\n    Exclude log {pattern}"
    if config.metadata:
        records = [("Record", f"{name} {value}") for name, value in sorted(config.metadata.items())]
        yield _section("FILTER", "record_modifier", [("Match", "*"), *records])
    if config.external:
        yield f"@INCLUDE {config.external}"
    if listen:
        yield _section("OUTPUT", "null", [("Match", _HEALTH_TAG)])
    for name, options in config.outputs.items():
        if "Name" in options:
            rest = _plugin_options(options, config.kind)
            yield _section("OUTPUT", options["Name"], [("Match", f"{name}-firelens*"), *rest])


def _section(kind: str, name: str, lines: Sequence[tuple[str, str]]) -> str:
    return "\n".join([f"[{kind}]", f"    Name {name}", *(f"    {key} {value}" for key, value in lines)])


def _fluentd(config: RouterConfig) -> Iterator[str]:
    yield _directive("source", ["@type unix", f"path {_SOCKET}"])
    listen = _LISTEN.get(config.network_mode)
    if listen:
        yield _directive("source", ["@type forward", f"bind {listen}", f"port {PORT}"])
    for option, kind in ((INCLUDE, "regexp"), (EXCLUDE, "exclude")):
        for name, pattern in _patterns(config, option):
            lines = ["@type  grep", f"<{kind}>", "    key log", f"    pattern {pattern}", f"</{kind}>"]
            yield _directive(f"filter {name}-firelens**", lines)
    if config.metadata:
        fields = [f"    {name} {value}" for name, value in sorted(config.metadata.items())]
        yield _directive("filter **", ["@type record_transformer", "<record>", *fields, "</record>"])
    if config.external:
        yield f"@include {config.external}"
    for name, options in config.outputs.items():
        if "@type" in options:
            rest = [f"{key} {value}" for key, value in _plugin_options(options, config.kind)]
            yield _directive(f"match {name}-firelens**", [f"@type {options['@type']}", *rest])


def _directive(head: str, lines: Sequence[str]) -> str:
    return "\n".join([f"<{head}>", *(f"    {line}" for line in lines), f"</{head.partition(' ')[0]}>"])
