"""The members of the requests for capacity providers, as :mod:`pytest_ecs_tasks.core.api.members` has those of the others.

Source: botocore's model of ECS (2014-11-13); a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AUTO_SCALING_GROUP_PROVIDER: Mapping[str, Any] = {
    "autoScalingGroupArn": str,
    "managedScaling": {
        "status": str,
        "targetCapacity": int,
        "minimumScalingStepSize": int,
        "maximumScalingStepSize": int,
        "instanceWarmupPeriod": int,
    },
    "managedTerminationProtection": str,
    "managedDraining": str,
}
MANAGED_INSTANCES_PROVIDER: Mapping[str, Any] = {
    "infrastructureRoleArn": str,
    "instanceLaunchTemplate": {
        "ec2InstanceProfileArn": str,
        "networkConfiguration": {
            "subnets": [str],
            "securityGroups": [str],
        },
        "storageConfiguration": {
            "storageSizeGiB": int,
        },
        "localStorageConfiguration": {
            "useLocalStorage": bool,
        },
        "monitoring": str,
        "capacityOptionType": str,
        "instanceMetadataTagsPropagation": bool,
        "instanceRequirements": {
            "vCpuCount": {
                "min": int,
                "max": int,
            },
            "memoryMiB": {
                "min": int,
                "max": int,
            },
            "cpuManufacturers": [str],
            "memoryGiBPerVCpu": {
                "min": float,
                "max": float,
            },
            "excludedInstanceTypes": [str],
            "instanceGenerations": [str],
            "spotMaxPricePercentageOverLowestPrice": int,
            "onDemandMaxPricePercentageOverLowestPrice": int,
            "bareMetal": str,
            "burstablePerformance": str,
            "requireHibernateSupport": bool,
            "networkInterfaceCount": {
                "min": int,
                "max": int,
            },
            "localStorage": str,
            "localStorageTypes": [str],
            "totalLocalStorageGB": {
                "min": float,
                "max": float,
            },
            "baselineEbsBandwidthMbps": {
                "min": int,
                "max": int,
            },
            "acceleratorTypes": [str],
            "acceleratorCount": {
                "min": int,
                "max": int,
            },
            "acceleratorManufacturers": [str],
            "acceleratorNames": [str],
            "acceleratorTotalMemoryMiB": {
                "min": int,
                "max": int,
            },
            "networkBandwidthGbps": {
                "min": float,
                "max": float,
            },
            "allowedInstanceTypes": [str],
            "maxSpotPriceAsPercentageOfOptimalOnDemandPrice": int,
        },
        "fipsEnabled": bool,
        "capacityReservations": {
            "reservationGroupArn": str,
            "reservationPreference": str,
        },
        "nitroEnclavesEnabled": bool,
    },
    "propagateTags": str,
    "infrastructureOptimization": {
        "scaleInAfter": int,
    },
    "autoRepairConfiguration": {
        "actionsStatus": str,
    },
}


def without(shape: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return a structure's shape without some of its members."""
    return {name: inner for name, inner in shape.items() if name not in names}
