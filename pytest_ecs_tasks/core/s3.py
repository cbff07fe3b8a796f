"""S3 objects by their ARNs."""

from __future__ import annotations

import re
from dataclasses import dataclass

# amazon-ecs-agent, s3/s3.go: ParseS3ARN
_ARN = re.compile(r"arn:[^:]+:s3:::(?P<bucket>[^/]+)/(?P<key>.+)")


@dataclass(frozen=True, slots=True)
class S3Object:
    """Where an object is."""

    bucket: str
    key: str


def find_object(arn: str) -> S3Object | None:
    """Return the object that an ARN names; ``None`` when it names none."""
    match = _ARN.fullmatch(arn)
    return None if match is None else S3Object(match["bucket"], match["key"])
