"""A log router of the tests' own, which runs in the image "router": no package here has Fluent Bit or fluentd.

It reads the configuration that was generated for either of them, opens the inputs, speaks the forward protocol,
applies the filters and prints what each output gets, a JSON document a line. ``python3 log_router.py fluentbit``.
"""

import asyncio
import json
import os
import re
import signal
import struct
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import msgpack

CONFIG = {"fluentbit": "/fluent-bit/etc/fluent-bit.conf", "fluentd": "/fluentd/etc/fluent.conf"}
VARIABLE = re.compile(r"\$\{(\w[\w-]*)\}|\"#\{ENV\['([\w-]+)'\]\}\"")


@dataclass
class Section:
    """One input, filter or output: its plugin, the tags it is for, its options in order."""

    kind: str
    plugin: str = ""
    match: str = ""
    options: list = field(default_factory=list)

    def get(self, name):
        return dict(self.options).get(name)


def tell(**document):
    print(json.dumps(document), flush=True)


def lines_of(path):
    for line in open(path):  # noqa: SIM115 - a program of a few seconds
        words = line.split(None, 1)
        if words and words[0].lower() == "@include":
            yield from lines_of(words[1].strip())
        elif words and not words[0].startswith("#"):
            yield line.strip()


def read_fluentbit(path):
    sections = []
    for line in lines_of(path):
        name, _, value = line.partition(" ")
        if line.startswith("["):
            sections.append(Section(line.strip("[]").lower()))
        elif name == "Name":
            sections[-1].plugin = value.strip()
        elif name == "Match":
            sections[-1].match = value.strip()
        else:
            sections[-1].options.append((name, value.strip()))
    return sections


def read_fluentd(path):
    kinds = {"source": "input", "filter": "filter", "match": "output"}
    sections, inner = [], ""
    for line in lines_of(path):
        name, _, value = line.strip("<>").partition(" ")
        if line.startswith("</"):
            inner = ""
        elif line.startswith("<") and name in kinds:
            sections.append(Section(kinds[name], match=value.replace("**", "*")))
        elif line.startswith("<"):
            inner = name
        elif name == "@type":
            sections[-1].plugin = {"record_transformer": "record_modifier", "unix": "forward"}.get(
                value.strip(), value.strip()
            )
        elif inner == "record":
            sections[-1].options.append(("Record", f"{name} {value}"))
        elif inner in ("regexp", "exclude"):
            if name == "pattern":
                sections[-1].options.append(({"regexp": "Regex"}.get(inner, "Exclude"), f"log {value}"))
        else:
            sections[-1].options.append(
                ({"path": "unix_path", "bind": "Listen", "port": "Port"}.get(name, name), value)
            )
    return sections


def route(sections, tag, moment, record):
    for section in sections:
        if not fnmatchcase(tag, section.match or ""):
            continue
        for name, value in section.options if section.kind == "filter" else ():
            key, _, text = value.partition(" ")
            found = re.search(text, record.get(key, "")) is not None
            if (name == "Regex" and not found) or (name == "Exclude" and found):
                return
            if name == "Record":
                record[key] = text
        if section.kind == "output":
            options = {name: expand(value) for name, value in section.options}
            tell(output=section.plugin, options=options, tag=tag, time=moment, record=record)


def expand(value):
    return VARIABLE.sub(lambda found: os.environ[found[1] or found[2]], value)


def read_time(code, data):
    seconds, nanoseconds = struct.unpack(">II", data)
    return [code, seconds, nanoseconds]


async def serve(sections, done):
    async def take(reader, writer):
        unpacker = msgpack.Unpacker(ext_hook=read_time, unicode_errors="replace")
        while data := await reader.read(65536):
            unpacker.feed(data)
            for tag, moment, record in unpacker:
                route(sections, tag, moment, record)
        writer.close()

    for section in sections:
        if section.kind == "input" and section.get("unix_path"):
            await asyncio.start_unix_server(take, section.get("unix_path"))
            tell(listens=section.get("unix_path"))
        elif section.kind == "input" and section.plugin == "forward":
            await asyncio.start_server(take, section.get("Listen"), int(section.get("Port")))
            tell(listens=f"{section.get('Listen')}:{section.get('Port')}")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    await done.wait()
    tell(ends="SIGTERM")


async def main():
    kind = sys.argv[1]
    sections = (read_fluentbit if kind == "fluentbit" else read_fluentd)(CONFIG[kind])
    await asyncio.sleep(float(os.environ.get("ROUTER_WAITS", "0")))
    await serve(sections, asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
