"""Which part of AWS a region is in: what follows ``arn:``."""

from __future__ import annotations

# Source: botocore's partitions.json, regionRegex of each partition but aws.
_BY_PREFIX = {
    "cn-": "aws-cn",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
}


def partition_of(region: str) -> str:
    """Return ``aws``, ``aws-cn``, ``aws-us-gov`` …; a region that nobody knows is in ``aws``."""
    return next((name for prefix, name in _BY_PREFIX.items() if region.startswith(prefix)), "aws")
