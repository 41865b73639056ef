"""Senders of HL7 over MLLP, without a line of the hub's: they resend until they are told AA.

    python senders.py '{"port": 2575, "senders": 8, "prefix": "A", "log": "acked.log", ...}'

Each sender has patients of its own and sends one message after another: updates (A08) that number
the address, and now and then a merge (A40) with a patient never seen before. Every AA is written to
the log before the next message goes out: control id, SHA-256 of the message, the acknowledgement
and its time. The end of stdin ends them once each has its answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import sys
import time
from typing import Any

START, END = b"\x0b", b"\x1c\r"
ANSWER_SECONDS = 3.0
AGAIN_SECONDS = 0.05


class Sender:
    def __init__(self, options: dict[str, Any], number: int, log: Any) -> None:
        self.options = options
        self.name = f"{options['prefix']}{number}"
        self.random = random.Random(f"{options['seed']} {self.name}")
        self.log = log
        self.sent = 0
        self.link: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def compose(self) -> tuple[str, bytes]:
        """The next message: its control id and bytes. Its time is that of its number."""
        self.sent += 1
        control_id = f"{self.name}N{self.sent}"
        patient = self.random.randrange(self.options["patients"])
        at = f"20260302{self.sent // 3600 % 24:02}{self.sent // 60 % 60:02}{self.sent % 60:02}-0600"
        merges = self.random.random() < self.options["merges"]
        kind = "A40^ADT_A39" if merges else "A08^ADT_A01"
        lines = [
            f"MSH|^~\\&|DESKEHR|NORTH|HUB|HUB|{at}||ADT^{kind}|{control_id}|P|2.5.1",
            f"EVN|{kind[:3]}|{at}",
            f"PID|1||{self.name}P{patient}^^^NORTH^MR||Testperson^Number{patient}||19790412|F|||"
            f"{self.sent} Prospect Dr^^Evanston^IL^60201",
        ]
        if merges:
            other = self.options["patients"] + self.sent  # seen once, so that no one merges twice
            lines.append(f"MRG|{self.name}P{other}^^^NORTH^MR")
        else:
            lines.append("PV1|1|O")
        return control_id, "\r".join([*lines, ""]).encode()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set() and self.sent < self.options["messages"]:
            control_id, content = self.compose()
            answer = await self.deliver(content)
            digest = hashlib.sha256(content).hexdigest()
            self.log.write(f"{control_id} {digest} {answer} {time.time():.6f}\n")
            self.log.flush()
            await asyncio.sleep(self.options["pause"] * self.random.uniform(0.5, 1.5))
        await self.hang_up()

    async def deliver(self, content: bytes) -> str:
        """Send until it is answered with AA; returns the acknowledgement without its own id."""
        while True:
            try:
                found = await asyncio.wait_for(self.exchange(content), ANSWER_SECONDS)
                fields = [line for line in found.split(b"\r") if line.startswith(b"MSA")]
                if fields and fields[0].startswith(b"MSA|AA|"):
                    return fields[0].decode().replace(" ", "_")
            except (TimeoutError, OSError, asyncio.IncompleteReadError):
                await self.hang_up()
            await asyncio.sleep(AGAIN_SECONDS)

    async def exchange(self, content: bytes) -> bytes:
        if self.link is None:
            self.link = await asyncio.open_connection("127.0.0.1", self.options["port"])
        reader, writer = self.link
        writer.write(START + content + END)
        return await reader.readuntil(END)

    async def hang_up(self) -> None:
        if self.link is not None:
            self.link[1].close()
            self.link = None


async def main(options: dict[str, Any]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(sys.stdin)
        stop.set()

    loop.add_reader(sys.stdin, ended)
    with open(options["log"], "a") as log:
        senders = [Sender(options, number, log) for number in range(options["senders"])]
        await asyncio.gather(*(sender.run(stop) for sender in senders))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
