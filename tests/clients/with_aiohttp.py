"""A client made of Python's `aiohttp`, told what to do on stdin (see README.md)."""
import asyncio
import sys

from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError


def say(*words):
    print(*words, flush=True)


async def hear(socket):
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            say("text", message.data)
        elif message.type == WSMsgType.PING:
            await socket.pong(message.data)
        elif message.type == WSMsgType.PONG:
            say("pong")
    say("closed", socket.close_code or 1006)


async def main():
    async with ClientSession() as session:
        socket = None
        while line := (await asyncio.to_thread(sys.stdin.readline)).rstrip("\n"):
            what, _, rest = line.partition(" ")
            if what == "open":
                url, *protocols = rest.split()
                try:
                    socket = await session.ws_connect(url, protocols=protocols, autoping=False)
                except WSServerHandshakeError as refused:
                    say("refused", refused.status)
                    continue
                say("open", socket.protocol or "-")
                asyncio.create_task(hear(socket))
            elif what == "send":
                await socket.send_str(rest)
            elif what == "ping":
                await socket.ping()
            elif what == "close":
                await socket.close()


asyncio.run(main())
