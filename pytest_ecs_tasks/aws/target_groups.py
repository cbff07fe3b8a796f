"""Target groups of the test's AWS: ELB's query protocol, called by the engine for itself.

Not boto3, for the reasons given in :mod:`pytest_ecs_tasks.aws.calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree

from pytest_ecs_tasks.aws.calls import AwsCallError, authorization, call_patiently
from pytest_ecs_tasks.aws.moto_program import PASSED_ON
from pytest_ecs_tasks.core.target_health import HealthRow, TargetHealth
from pytest_ecs_tasks.core.target_progress import CheckSchedule
from pytest_ecs_tasks.core.traffic import Target, TargetCheck, TargetGroup
from pytest_ecs_tasks.engine.aws_ports import HealthAnswer

_API_VERSION = "2015-12-01"
_NAMESPACE = f"http://elasticloadbalancing.amazonaws.com/doc/{_API_VERSION}/"
_FORM = "application/x-www-form-urlencoded; charset=utf-8"


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
            target_type=_text(group, "TargetType") or "instance",
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
        headers = {"Content-Type": _FORM, "Authorization": signature, PASSED_ON: "1"}
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
        headers = {"Content-Type": _FORM, "Authorization": authorization("elasticloadbalancing", region)}
        response, text = call_patiently("POST", self._endpoint_url, "/", headers, urlencode(form).encode())
        try:
            document = ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            raise AwsCallError(
                "RequestError", f"{action} was answered with HTTP {response.status}"
            ) from error
        if response.status != HTTPStatus.OK:
            raise AwsCallError(_text(document, "Code"), _text(document, "Message"))
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
    timeout = _text(group, "HealthCheckTimeoutSeconds")
    interval = _text(group, "HealthCheckIntervalSeconds")
    threshold = _text(group, "UnhealthyThresholdCount")
    return TargetCheck(
        protocol=_text(group, "HealthCheckProtocol") or default.protocol,
        port=_text(group, "HealthCheckPort") or default.port,
        path=_text(group, "HealthCheckPath") or default.path,
        matcher=_text(group, "HttpCode") or default.matcher,
        timeout_s=float(timeout) if timeout else default.timeout_s,
        schedule=CheckSchedule(
            float(interval) if interval else default.schedule.interval_s,
            int(threshold) if threshold else default.schedule.unhealthy_threshold,
        ),
    )


def _read_rows(document: ElementTree.Element) -> Iterator[HealthRow]:
    for member in _members(document, "TargetHealthDescriptions"):
        health = TargetHealth(*(_text(member, name) for name in ("State", "Reason", "Description")))
        port = _text(member, "Port")
        yield HealthRow(_text(member, "Id"), int(port or 0), _text(member, "HealthCheckPort"), health)


def _at_named_ports(rows: tuple[HealthRow, ...], form: Mapping[str, str]) -> tuple[HealthRow, ...]:
    """Return an answer's rows with the ports that the request names: moto tells a target's port, whichever was named."""
    named = {number: form.get(f"Targets.member.{number}.Port") for number in range(1, len(rows) + 1)}
    return tuple(
        replace(row, port=int(named[number] or row.port)) for number, row in enumerate(rows, start=1)
    )


def _members(document: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return document.findall(f".//{{*}}{name}/{{*}}member")


def _text(document: ElementTree.Element, name: str) -> str:
    element = document.find(f".//{{*}}{name}")
    return (element.text if element is not None else None) or ""
