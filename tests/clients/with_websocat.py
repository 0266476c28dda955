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
    (re.compile(r"^RTT|incoming pong"), "pong"),
]
CODE = re.compile(r"status_code: (\d+)")
SAYING = threading.Lock()


def say(*words):
    with SAYING:
        print(*words, flush=True)


def hear(process, opened):
    opened.wait()
    for line in process.stdout:
        say("text", line.rstrip("\n"))


def watch(process):
    opened = threading.Event()
    hearing = threading.Thread(target=hear, args=(process, opened), daemon=True)
    hearing.start()
    code = 1006
    for line in process.stderr:
        if found := CODE.search(line):
            code = found[1]
        for pattern, what in LOG:
            if found := pattern.search(line):
                say(what.format(*found.groups()))
                opened.set()
    opened.set()
    # The texts come through another pipe, and they came first.
    hearing.join()
    say("closed", code)


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
            threading.Thread(target=watch, args=(process,), daemon=True).start()
        elif what == "send":
            process.stdin.write(rest + "\n")
            process.stdin.flush()
        elif what == "close":
            process.stdin.close()
    if process:
        process.kill()


main()
