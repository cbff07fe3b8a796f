"""Target groups of the test's AWS: ELB's query protocol, called by the engine for itself.

Not boto3, for the reasons given in :mod:`pytest_ecs_tasks.aws.calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from pytest_ecs_tasks.aws.calls import AwsCallError, call_patiently
from pytest_ecs_tasks.aws.moto_program import PASSED_ON
from pytest_ecs_tasks.aws.query_api import FORM, call_query, text_of
from pytest_ecs_tasks.core.target_health import HealthRow, TargetHealth
from pytest_ecs_tasks.core.target_progress import CheckSchedule
from pytest_ecs_tasks.core.traffic import Target, TargetCheck, TargetGroup
from pytest_ecs_tasks.engine.aws_ports import HealthAnswer

_API_VERSION = "2015-12-01"
_NAMESPACE = f"http://elasticloadbalancing.amazonaws.com/doc/{_API_VERSION}/"


class ElbTargetGroups:
    """The target groups of one AWS. Costs nothing until it is used; every method may be called from any thread."""

    def __init__(self, endpoint_url: Callable[[], str]) -> None:
        self._endpoint_url = endpoint_url

    def find(self, arn: str) -> TargetGroup | None:
        """Return a target group as it is now; ``None`` for one that is not there. Raises :class:`AwsCallError`."""
        try:
            document = self._call("DescribeTargetGroups", arn, {"TargetGroupArns.member.1": arn})
        except AwsCallError as error:
            if error.code in ("TargetGroupNotFound", "ValidationError"):
                return None
            raise
        (group,) = _members(document, "TargetGroups")
        return TargetGroup(
            arn,
            target_type=text_of(group, "TargetType") or "instance",
            balanced=bool(_members(group, "LoadBalancerArns")),
            check=_read_check(group),
        )

    def register(self, target: Target) -> None:
        """Register a target. Raises :class:`AwsCallError`."""
        self._call("RegisterTargets", target.group_arn, _name_target(target))

    def deregister(self, target: Target) -> None:
        """Register a target no longer. Raises :class:`AwsCallError`."""
        self._call("DeregisterTargets", target.group_arn, _name_target(target))

    def describe_health(self, body: bytes, signature: str) -> HealthAnswer:
        """Return what the AWS itself answers to a DescribeTargetHealth. Raises :class:`AwsCallError`."""
        headers = {"Content-Type": FORM, "Authorization": signature, PASSED_ON: "1"}
        response, content = call_patiently("POST", self._endpoint_url, "/", headers, body)
        form = dict(parse_qsl(body.decode()))
        rows: tuple[HealthRow, ...] = ()
        if response.status == HTTPStatus.OK:
            rows = _at_named_ports(tuple(_read_rows(ElementTree.fromstring(content))), form)
        return HealthAnswer(
            response.status,
            content,
            form.get("TargetGroupArn", ""),
            names_targets=any(key.startswith("Targets.") for key in form),
            rows=rows,
        )

    def write_health(self, rows: Sequence[HealthRow]) -> bytes:
        """Return an answer to DescribeTargetHealth."""
        root = ElementTree.Element("DescribeTargetHealthResponse", xmlns=_NAMESPACE)
        result = ElementTree.SubElement(root, "DescribeTargetHealthResult")
        descriptions = ElementTree.SubElement(result, "TargetHealthDescriptions")
        for row in rows:
            member = ElementTree.SubElement(descriptions, "member")
            target = ElementTree.SubElement(member, "Target")
            _write(target, {"Id": row.target_id, "Port": str(row.port)})
            _write(member, {"HealthCheckPort": row.check_port})
            health = {
                "State": row.health.state,
                "Reason": row.health.reason,
                "Description": row.health.description,
            }
            _write(ElementTree.SubElement(member, "TargetHealth"), health)
        metadata = ElementTree.SubElement(root, "ResponseMetadata")
        _write(metadata, {"RequestId": "00000000-0000-0000-0000-000000000000"})
        return b"<?xml version='1.0' encoding='utf-8'?>\n" + ElementTree.tostring(root)

    def _call(self, action: str, arn: str, parameters: Mapping[str, str]) -> ElementTree.Element:
        region = (arn.split(":") + [""] * 4)[3]
        form = {"Action": action, "Version": _API_VERSION, **parameters}
        status, body = call_query(self._endpoint_url, "elasticloadbalancing", region, form)
        try:
            document = ElementTree.fromstring(body)
        except ElementTree.ParseError as error:
            raise AwsCallError("RequestError", f"{action} was answered with HTTP {status}") from error
        if status != HTTPStatus.OK:
            raise AwsCallError(text_of(document, "Code"), text_of(document, "Message"))
        return document


def _write(parent: ElementTree.Element, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        if text:
            ElementTree.SubElement(parent, name).text = text


def _name_target(target: Target) -> dict[str, str]:
    return {
        "TargetGroupArn": target.group_arn,
        "Targets.member.1.Id": target.target_id,
        "Targets.member.1.Port": str(target.port),
    }


def _read_check(group: ElementTree.Element) -> TargetCheck:
    default = TargetCheck()
    timeout = text_of(group, "HealthCheckTimeoutSeconds")
    interval = text_of(group, "HealthCheckIntervalSeconds")
    threshold = text_of(group, "UnhealthyThresholdCount")
    return TargetCheck(
        protocol=text_of(group, "HealthCheckProtocol") or default.protocol,
        port=text_of(group, "HealthCheckPort") or default.port,
        path=text_of(group, "HealthCheckPath") or default.path,
        matcher=text_of(group, "HttpCode") or default.matcher,
        timeout_s=float(timeout) if timeout else default.timeout_s,
        schedule=CheckSchedule(
            float(interval) if interval else default.schedule.interval_s,
            int(threshold) if threshold else default.schedule.unhealthy_threshold,
        ),
    )


def _read_rows(document: ElementTree.Element) -> Iterator[HealthRow]:
    for member in _members(document, "TargetHealthDescriptions"):
        health = TargetHealth(*(text_of(member, name) for name in ("State", "Reason", "Description")))
        port = text_of(member, "Port")
        yield HealthRow(text_of(member, "Id"), int(port or 0), text_of(member, "HealthCheckPort"), health)


def _at_named_ports(rows: tuple[HealthRow, ...], form: Mapping[str, str]) -> tuple[HealthRow, ...]:
    """Return an answer's rows with the ports that the request names: moto tells a target's port, whichever was named."""
    named = {number: form.get(f"Targets.member.{number}.Port") for number in range(1, len(rows) + 1)}
    return tuple(
        replace(row, port=int(named[number] or row.port)) for number, row in enumerate(rows, start=1)
    )


def _members(document: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return document.findall(f".//{{*}}{name}/{{*}}member")
