"""Calls of AWS's query protocol, made by the engine for itself: forms go there, XML comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlencode
from xml.etree import ElementTree

from pytest_ecs_tasks.aws.calls import authorization, call_patiently

FORM = "application/x-www-form-urlencoded; charset=utf-8"


def call_query(
    endpoint_url: Callable[[], str], service: str, region: str, form: Mapping[str, str]
) -> tuple[int, bytes]:
    """Send a form with its ``Action`` and ``Version``; return the answer's HTTP status and body.

    Raises :class:`~pytest_ecs_tasks.aws.calls.AwsCallError` when there is none.
    """
    headers = {"Content-Type": FORM, "Authorization": authorization(service, region)}
    response, body = call_patiently("POST", endpoint_url, "/", headers, urlencode(form).encode())
    return response.status, body


def text_of(document: ElementTree.Element, name: str) -> str:
    """Return the text of the first element of that name below an element; ``""`` where there is none."""
    element = document.find(f".//{{*}}{name}")
    return (element.text if element is not None else None) or ""
