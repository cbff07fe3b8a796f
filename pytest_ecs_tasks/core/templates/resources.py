"""What ``Ref`` and ``Fn::GetAtt`` give for the resources that task definitions refer to.

Source: "Return values" in CloudFormation's reference of each resource. ``{name}`` is the resource's own name property.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_NAME = "{name}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of resource: the property with its name, and what its references give; ``ref`` is ``""`` for one not told here.

    ``made_up``: the reference has a part that CloudFormation makes up even when the name is given.
    """

    name_property: str
    ref: str = _NAME
    attributes: Mapping[str, str] = field(default_factory=dict)
    made_up: bool = False


def _arn(service: str, resource: str, *, of_region: bool = True) -> str:
    scope = "{region}:{account}" if of_region else ":{account}"
    return f"arn:{{partition}}:{service}:{scope}:{resource}"


_QUEUE_URL = "https://sqs.{region}.{domain}/{account}/{name}"
_TABLE = {"Arn": _arn("dynamodb", "table/{name}")}
_SECRET_ARN = _arn("secretsmanager", "secret:{name}-{six}")

KINDS: Mapping[str, Kind] = {
    "AWS::AppMesh::Mesh": Kind("MeshName", _arn("appmesh", "mesh/{name}"), {"MeshName": _NAME}),
    "AWS::AppMesh::VirtualNode": Kind("VirtualNodeName", "", {"VirtualNodeName": _NAME}),
    "AWS::AppMesh::VirtualService": Kind("VirtualServiceName", "", {"VirtualServiceName": _NAME}),
    "AWS::DynamoDB::GlobalTable": Kind("TableName", attributes=_TABLE),
    "AWS::DynamoDB::Table": Kind("TableName", attributes=_TABLE),
    "AWS::ECR::Repository": Kind(
        "RepositoryName",
        attributes={
            "Arn": _arn("ecr", "repository/{name}"),
            "RepositoryUri": "{account}.dkr.ecr.{region}.{domain}/{name}",
        },
    ),
    "AWS::ECS::Cluster": Kind("ClusterName", attributes={"Arn": _arn("ecs", "cluster/{name}")}),
    "AWS::EFS::AccessPoint": Kind(
        "",
        "fsap-{id}",
        {"AccessPointId": "fsap-{id}", "Arn": _arn("elasticfilesystem", "access-point/fsap-{id}")},
    ),
    "AWS::EFS::FileSystem": Kind(
        "", "fs-{id}", {"FileSystemId": "fs-{id}", "Arn": _arn("elasticfilesystem", "file-system/fs-{id}")}
    ),
    "AWS::FSx::FileSystem": Kind("", "fs-{id}"),
    "AWS::IAM::Role": Kind("RoleName", attributes={"Arn": _arn("iam", "role{path}{name}", of_region=False)}),
    "AWS::Kinesis::Stream": Kind("Name", attributes={"Arn": _arn("kinesis", "stream/{name}")}),
    "AWS::KinesisFirehose::DeliveryStream": Kind(
        "DeliveryStreamName", attributes={"Arn": _arn("firehose", "deliverystream/{name}")}
    ),
    "AWS::Logs::LogGroup": Kind("LogGroupName", attributes={"Arn": _arn("logs", "log-group:{name}:*")}),
    "AWS::S3::Bucket": Kind(
        "BucketName",
        attributes={
            "Arn": "arn:{partition}:s3:::{name}",
            "DomainName": "{name}.s3.{domain}",
            "RegionalDomainName": "{name}.s3.{region}.{domain}",
        },
    ),
    "AWS::SNS::Topic": Kind(
        "TopicName",
        _arn("sns", _NAME),
        {"TopicArn": _arn("sns", _NAME), "TopicName": _NAME},
    ),
    "AWS::SQS::Queue": Kind(
        "QueueName",
        _QUEUE_URL,
        {"Arn": _arn("sqs", _NAME), "QueueName": _NAME, "QueueUrl": _QUEUE_URL},
    ),
    "AWS::SSM::Parameter": Kind("Name"),
    "AWS::SecretsManager::Secret": Kind("Name", _SECRET_ARN, {"Id": _SECRET_ARN}, made_up=True),
}


def made_up_id(key: str) -> str:
    """Return the digits of an identifier such as ``fs-…``: always the same for the same name."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:17]


def made_up_name(key: str) -> str:
    """Return a name that every service takes, made of a logical id, an attribute of one, or an export's name."""
    return _NOT_IN_NAMES.sub("-", key).strip("-")[:200] or "unnamed"
