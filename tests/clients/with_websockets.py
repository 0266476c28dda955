"""A client made of Python's `websockets`, told what to do on stdin (see README.md)."""
import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus


def say(*words):
    print(*words, flush=True)


async def hear(socket):
    try:
        async for text in socket:
            say("text", text)
    except ConnectionClosed:
        pass
    say("closed", socket.close_code or 1006)


async def main():
    socket = None
    while line := (await asyncio.to_thread(sys.stdin.readline)).rstrip("\n"):
        what, _, rest = line.partition(" ")
        if what == "open":
            url, *protocols = rest.split()
            try:
                socket = await connect(url, subprotocols=protocols or None, ping_interval=None)
            except InvalidStatus as refused:
                say("refused", refused.response.status_code)
                continue
            say("open", socket.subprotocol or "-")
            asyncio.create_task(hear(socket))
        elif what == "send":
            await socket.send(rest)
        elif what == "ping":
            await (await socket.ping())
            say("pong")
        elif what == "close":
            await socket.close()


asyncio.run(main())
