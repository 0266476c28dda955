"""A client made of `websocat`, told what to do on stdin (see README.md).

websocat itself moves lines between stdio and a socket; what it sees beyond texts is read off its log."""
import os
import re
import subprocess
import sys
import threading

LOG = [
    (re.compile(r"sec-websocket-protocol: (\S+)"), "open {}"),
    (re.compile(r"Received unexpected status code \((\d+)"), "refused {}"),
    (re.compile(r"status_code: (\d+)"), "closed {}"),
    (re.compile(r"^RTT|incoming pong"), "pong"),
]
SAYING = threading.Lock()


def say(*words):
    with SAYING:
        print(*words, flush=True)


def hear(process):
    for line in process.stdout:
        say("text", line.rstrip("\n"))


def watch(process):
    ended = False
    for line in process.stderr:
        for pattern, what in LOG:
            if found := pattern.search(line):
                ended |= what.startswith("closed")
                say(what.format(*found.groups()))
    if not ended:
        say("closed 1006")


def main():
    process = None
    for line in sys.stdin:
        what, _, rest = line.rstrip("\n").partition(" ")
        if what == "open":
            url, *protocols = rest.split()
            words = [os.environ["WEBSOCAT"], "-vv", "-t", "-E", "-B", "1000000", "--linemode-strip-newlines"]
            words += ["--ping-interval", "1", "--print-ping-rtts", "--protocol", ", ".join(protocols), url]
            pipe = subprocess.PIPE
            process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
            for work in (hear, watch):
                threading.Thread(target=work, args=(process,), daemon=True).start()
        elif what == "send":
            process.stdin.write(rest + "\n")
            process.stdin.flush()
        elif what == "close":
            process.stdin.close()
    if process:
        process.kill()


main()
