"""The platform that a definition is for, and the one that the engine has."""

from __future__ import annotations

import warnings
from typing import Any

from pytest_ecs_tasks.core.plan import TaskPlan
from pytest_ecs_tasks.engine.ports import ContainerRuntime
from pytest_ecs_tasks.errors import UnsupportedFeature, UnsupportedFieldWarning

# How engines and kernels spell what ECS calls so.
_ARCHITECTURES = {"X86_64": ("amd64", "x86_64"), "ARM64": ("arm64", "aarch64")}


def report_platform(plan: TaskPlan, runtime: ContainerRuntime, *, strict: bool) -> None:
    """Warn when the definition says another architecture than the engine's.

    Images run for the engine's own then, or by emulation where the engine has it; one that it cannot run fails when it is
    started. Raises :class:`UnsupportedFeature` when ``strict``.
    """
    declared: Any = plan.definition.document.get("runtimePlatform", {})
    wanted = declared.get("cpuArchitecture")
    if wanted is None or runtime.architecture in _ARCHITECTURES.get(wanted, ()):
        return
    problem = (
        f"runtimePlatform.cpuArchitecture: the definition is for {wanted}, and {runtime.name} at {runtime.url} runs on "
        f"{runtime.architecture}: images run for that, or by emulation if the engine has it"
    )
    source = plan.definition.source
    if strict:
        raise UnsupportedFeature(f"{source} needs what the engine has not (ecs_strict):\n  {problem}")
    warnings.warn_explicit(f"{source}: {problem}", UnsupportedFieldWarning, source, 1)
