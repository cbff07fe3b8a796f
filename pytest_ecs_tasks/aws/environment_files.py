"""Environment files from S3, fetched and worded as the ECS agent does."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from urllib.parse import quote, urlencode
from xml.sax.saxutils import unescape

from pytest_ecs_tasks.aws.calls import AwsCallError, authorization, call_patiently
from pytest_ecs_tasks.core.environment_files import BadEnvironmentFileError, locate
from pytest_ecs_tasks.core.s3 import S3Object
from pytest_ecs_tasks.engine.aws_ports import EnvironmentFileError

_MOST_CALLS_AT_ONCE = 8
_FARGATE = "failed to download env files: file download command: non empty error stream:"  # developer guide
_ELEMENT = r"<{0}>(.*?)</{0}>"


class EnvironmentFileFetcher:
    """Fetches environment files from one AWS, each once however many containers name it."""

    def __init__(self, endpoint_url: Callable[[], str], region: str) -> None:
        self._endpoint_url = endpoint_url
        self._region = region

    def fetch(self, arns: Sequence[str], *, fargate: bool) -> Mapping[str, bytes]:
        """Return the content of each; raises :class:`EnvironmentFileError` that tells of all that could not be had."""
        with ThreadPoolExecutor(
            min(len(arns), _MOST_CALLS_AT_ONCE) or 1, thread_name_prefix="ecs-tasks/environment files"
        ) as pool:
            outcomes = dict(zip(arns, pool.map(self._fetch_one, arns), strict=True))
        failed = {
            arn: outcome for arn, outcome in outcomes.items() if isinstance(outcome, EnvironmentFileError)
        }
        if failed:
            text = ";".join(str(error) for error in failed.values())
            hints = [f"environment file {arn}\n{error.hint}".rstrip() for arn, error in failed.items()]
            raise EnvironmentFileError(f"{_FARGATE} {text}" if fargate else text, hint="\n".join(hints))
        return {arn: outcome for arn, outcome in outcomes.items() if isinstance(outcome, bytes)}

    def get_object(self, place: S3Object) -> bytes:
        """Return the content of any object; raises :class:`AwsCallError`."""
        return self._get(f"/{quote(place.bucket)}/{quote(place.key)}")

    def _fetch_one(self, arn: str) -> bytes | EnvironmentFileError:
        try:
            place = locate(arn)
        except BadEnvironmentFileError as error:
            return EnvironmentFileError(str(error))
        try:
            return self.get_object(place)
        except AwsCallError as error:
            text = (
                f"unable to download env file with key {place.key} from bucket {place.bucket}, error: {error}"
            )
            return EnvironmentFileError(text, hint=self._hint(place, error))

    def _hint(self, place: S3Object, error: AwsCallError) -> str:
        """Say what the test can do about a file that is not there."""
        steps = f"ecs_aws.client('s3').put_object(Bucket={place.bucket!r}, Key={place.key!r}, Body=…)"
        if error.code == "NoSuchBucket":
            return f"In this test's AWS there is no such bucket. In a fixture before ecs_task: create it, then {steps}"
        if error.code != "NoSuchKey":
            return ""
        near = difflib.get_close_matches(place.key, self._keys(place.bucket), n=3)
        similar = f"\npresent here: {', '.join(near)}" if near else ""
        return f"In this test's AWS the bucket has no such object. In a fixture before ecs_task: {steps}{similar}"

    def _keys(self, bucket: str) -> list[str]:
        try:
            answer = self._get(f"/{quote(bucket)}?{urlencode({'list-type': '2'})}")
        except AwsCallError:
            return []
        return [
            unescape(key) for key in re.findall(_ELEMENT.format("Key"), answer.decode("utf-8", "replace"))
        ]

    def _get(self, target: str) -> bytes:
        headers = {"Authorization": authorization("s3", self._region)}
        response, content = call_patiently("GET", self._endpoint_url, target, headers, None)
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise _error_in(content.decode("utf-8", "replace"), response.status)
        return content


def _error_in(document: str, status: int) -> AwsCallError:
    """Read S3's error document."""
    code = re.search(_ELEMENT.format("Code"), document, re.S)
    message = re.search(_ELEMENT.format("Message"), document, re.S)
    return AwsCallError(
        unescape(code[1]) if code else f"HTTP {status}", unescape(message[1]) if message else "no message"
    )
