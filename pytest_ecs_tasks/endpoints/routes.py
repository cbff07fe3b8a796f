"""Which path means what: the agent's own table.

Source: amazon-ecs-agent, agent/handlers/task_server_setup.go; its paths are patterns of gorilla/mux.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import quote

from pytest_ecs_tasks.core.metadata import Version
from pytest_ecs_tasks.endpoints.agent_api import AgentApi
from pytest_ecs_tasks.endpoints.answer import Answer, Handle, Request, not_found
from pytest_ecs_tasks.endpoints.credentials import RoleSession
from pytest_ecs_tasks.endpoints.fault_requests import KINDS
from pytest_ecs_tasks.endpoints.metadata import Metadata

Groups = Mapping[str, str | None]
Page = Callable[[Request, Groups], Answer]
Table = list[tuple[re.Pattern[str], Mapping[str, Page]]]


def make_handle(role: RoleSession, metadata: Metadata, api: AgentApi) -> Handle:
    """Return what answers every request of one task's containers."""
    pages: Table = [
        *_credentials_pages(role),
        *_address_pages(metadata),
        *_metadata_pages(metadata),
        *_api_pages(api),
    ]

    def handle(request: Request) -> Answer:
        clean = clean_path(request.path)
        if clean != request.path:
            _, mark, query = request.target.partition("?")
            return Answer(301, b"", (("Location", f"{quote(clean)}{mark}{query}"),))
        for pattern, by_method in pages:
            found = pattern.fullmatch(request.path)
            if found is not None:
                page = by_method.get(request.method) or by_method.get("*")
                return page(request, found.groupdict()) if page else Answer(405)
        return not_found()

    return handle


def clean_path(path: str) -> str:
    """Return a path without doubled slashes and dots, as the router redirects to it; a slash at its end stays."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean


def _credentials_pages(role: RoleSession) -> Table:
    def version_1(request: Request, _: Groups) -> Answer:
        return role.answer(request.query.get("id", ""), 1)

    def version_2(_: Request, groups: Groups) -> Answer:
        return role.answer(groups["id"] or "", 2)

    return [
        (re.compile(r"/v1/credentials"), {"*": version_1}),
        (re.compile(r"/v2/credentials/(?P<id>.*)"), {"*": version_2}),
    ]


def _address_pages(metadata: Metadata) -> Table:
    def page(request: Request, groups: Groups) -> Answer:
        kind = request.path.split("/")[2]
        return metadata.by_address(request, kind, groups.get("wanted") or "")

    return [
        (re.compile(r"/v2/(?:metadata|stats)(?:/(?P<wanted>.*))?"), {"*": page}),
        (re.compile(r"/v2/metadataWithTags/?"), {"*": page}),
    ]


def _metadata_pages(metadata: Metadata) -> Table:
    def by(answer: Callable[[Version, str], Answer]) -> Mapping[str, Page]:
        return {"*": lambda _, groups: answer(_version(groups), groups["id"] or "")}

    def associations(_: Request, groups: Groups) -> Answer:
        return metadata.associations(
            _version(groups), groups["id"] or "", groups["kind"] or "", groups["name"]
        )

    head = r"/v(?P<version>[34])/(?P<id>[^/]*)"
    return [
        (re.compile(head), by(metadata.container)),
        (re.compile(rf"{head}/task"), by(metadata.task)),
        (re.compile(rf"{head}/taskWithTags"), by(partial(metadata.task, with_tags=True))),
        (re.compile(rf"{head}/stats"), by(metadata.container_statistics)),
        (re.compile(rf"{head}/task/stats"), by(metadata.task_statistics)),
        (re.compile(rf"{head}/associations/(?P<kind>[^/]*)(?:/(?P<name>.*))?"), {"*": associations}),
    ]


def _version(groups: Groups) -> Version:
    return Version(int(groups["version"] or 0))


def _api_pages(api: AgentApi) -> Table:
    def get(_: Request, groups: Groups) -> Answer:
        return api.get_protection(groups["id"] or "")

    def put(request: Request, groups: Groups) -> Answer:
        return api.put_protection(groups["id"] or "", request.body)

    def fault(request: Request, groups: Groups) -> Answer:
        return api.fault(groups["id"] or "", groups["kind"] or "", groups["operation"] or "", request.body)

    head = r"/api/(?P<id>[^/]*)"
    return [
        (re.compile(rf"{head}/task-protection/v1/state"), {"GET": get, "PUT": put}),
        (
            re.compile(rf"{head}/fault/v1/(?P<kind>{'|'.join(KINDS)})/(?P<operation>start|stop|status)"),
            {"POST": fault},
        ),
    ]
