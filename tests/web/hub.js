// The hub binary under test: its own data folder, free ports, ended by its pid.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const binary = process.env.MICHUB_BIN ?? join(resolve(root, process.env.CARGO_TARGET_DIR ?? "target"), "debug/michub");

// What is said to the tests is no setting of the hub.
const { MICHUB_BIN, MICHUB_CHROMIUM, ...own } = process.env;

/** A port that nobody uses, below those that the system gives to outgoing lines: nobody takes it while the hub is down. */
async function freePort() {
  for (;;) {
    const port = 10_240 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const free = await new Promise((done) => server.once("error", () => done(false)).listen(port, "127.0.0.1", () => done(true)));
    if (!free) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}

/** Starts a hub on free ports; `env` sets configuration keys. `restart()` comes back on the same port and data. */
export async function startHub(env = {}) {
  const data = mkdtempSync(join(tmpdir(), "michub-web-"));
  let child;
  let port = await freePort();

  const spawnOne = () => new Promise((done, refuse) => {
    const settings = { MICHUB_ADMIN__LISTEN: "127.0.0.1:0", MICHUB_LOG__LEVEL: "warn", ...env };
    child = spawn(binary, ["--config", join(root, "config.toml"), "--listen", `127.0.0.1:${port}`, "--data", data, "--demo"], {
      env: { ...own, ...settings }, stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    const late = setTimeout(() => refuse(new Error(`no start line in a minute: ${out}${err}`)), 60_000);
    child.stderr.on("data", (bytes) => { err = (err + bytes).slice(-4000); });
    child.on("error", refuse);
    child.on("exit", (code, signal) => refuse(new Error(`the hub ended (${code ?? signal}): ${err}`)));
    child.stdout.on("data", (bytes) => {
      out += bytes;
      const line = /listening on http:\/\/[^\s:]+:(\d+) .*admin=(http:\/\/[^\s)]+)/.exec(out);
      if (!line) return;
      clearTimeout(late);
      port = Number(line[1]);
      hub.admin = line[2];
      done();
    });
  });
  const gone = () => new Promise((done) => (child.exitCode ?? child.signalCode) !== null ? done() : child.once("exit", done));

  const hub = {
    admin: "",
    get url() { return `http://127.0.0.1:${port}`; },
    get pid() { return child.pid; },
    /** Kills it as a power cut would, and waits until it is gone. */
    async kill() { child.kill("SIGKILL"); await gone(); },
    /** Asks it to drain; does not wait. */
    terminate() { child.kill("SIGTERM"); },
    gone,
    start: spawnOne,
    async restart() { await hub.kill(); await spawnOne(); },
    async stop() { child.kill("SIGKILL"); await gone(); rmSync(data, { recursive: true, force: true }); },
  };
  await spawnOne();
  return hub;
}
