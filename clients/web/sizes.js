// Measures this client beside others: each bundled, minified and gzipped in the same way. Needs the network; prints the table of the README.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

// What stands here was read in the named versions' sources and documents: resumes a session, replays what was missed, lives in hidden tabs.
// Sizes, own types, the queue, what happens at `online` and where sockets are refused are measured: see probe.js.
const OTHERS = [
  ["partysocket", "1.3.0", 'export { default } from "partysocket/ws";', "no", "no", "no heartbeat"],
  ["phoenix", "1.8.16", 'export { Socket, Presence } from "phoenix";', "no", "no", "own timer only"],
  ["socket.io-client", "4.8.4", 'export { io } from "socket.io-client";', "yes", "yes", "yes"],
  ["centrifuge", "5.8.0", 'export { Centrifuge } from "centrifuge";', "yes", "yes", "yes"],
];
const here = fileURLToPath(new URL(".", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "michub-sizes-"));

async function measure(source, resolveDir) {
  const { outputFiles: [bundle] } = await build({ stdin: { contents: source, resolveDir }, bundle: true, minify: true, format: "esm", target: "es2022", write: false, logLevel: "error", external: ["./poll.js"], platform: "browser" });
  const file = join(folder, `probe-${resolveDir.length}-${source.length}.mjs`);
  writeFileSync(file, bundle.contents);
  return [bundle.contents, file];
}

/** Runs a library without a line, in a process of its own. */
const probe = (name, file) => JSON.parse(execFileSync(process.execPath, [join(here, "probe.js"), name, file], { encoding: "utf8", timeout: 30_000 }));
const size = (bytes) => [bytes.length, gzipSync(bytes, { level: 9 }).length];

function hasTypes(name) {
  const root = join(folder, "node_modules", name);
  const text = readFileSync(join(root, "package.json"), "utf8");
  return /"types"|"typings"/.test(text) || existsSync(join(root, "index.d.ts")) ? "yes" : "no";
}

try {
  writeFileSync(join(folder, "package.json"), "{}");
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...OTHERS.map(([name, version]) => `${name}@${version}`)], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  const { version } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
  const own = probe("@michub/client", join(here, "dist/michub.js"));
  const rows = [["**@michub/client**", version, ...size(readFileSync(join(here, "dist/michub.js"))), "yes, of every frame", own.queue, own.online, own.polls, "yes", "yes", "yes", "yes"]];
  for (const [name, wanted, source, ...read] of OTHERS) {
    const [bytes, file] = await measure(source, folder);
    const { queue, online, polls } = probe(name, file);
    rows.push([name, wanted, ...size(bytes), hasTypes(name), queue, online, polls, ...read, "no"]);
  }
  const heads = ["package", "version", "minified", "gzipped", "own types", "5,000 sends without a line", "tries at `online`", "goes on over HTTP", "resumes the session ¹", "replays what was missed ¹", "lives in hidden tabs ¹", "rooms with a queue ¹"];
  console.log(`| ${heads.join(" | ")} |\n|${"---|".repeat(heads.length)}`);
  for (const [name, wanted, min, gz, ...rest] of rows) console.log(`| ${name} | ${wanted} | ${min.toLocaleString("en")} | ${gz.toLocaleString("en")} | ${rest.join(" | ")} |`);
} finally {
  rmSync(folder, { recursive: true });
}
