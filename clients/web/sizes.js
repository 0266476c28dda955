// Measures this client beside others: each bundled, minified and gzipped in the same way. Needs the network; prints the table of the README.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

// Read in the named versions' sources and documents: own types, resumes a session, replays what was missed, bounded offline queue, hidden tabs, polling fallback.
const OTHERS = [
  ["partysocket", "1.3.0", 'export { default } from "partysocket/ws";', "yes", "no", "no", "unbounded", "no heartbeat", "no"],
  ["phoenix", "1.8.16", 'export { Socket, Presence } from "phoenix";', "no", "no", "no", "unbounded", "own timer only", "yes"],
  ["socket.io-client", "4.8.4", 'export { io } from "socket.io-client";', "yes", "yes", "yes", "unbounded", "yes", "yes"],
  ["centrifuge", "5.8.0", 'export { Centrifuge } from "centrifuge";', "yes", "yes", "yes", "none", "yes", "yes"],
];
const here = fileURLToPath(new URL(".", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "michub-sizes-"));

async function measure(source, resolveDir) {
  const { outputFiles: [bundle] } = await build({ stdin: { contents: source, resolveDir }, bundle: true, minify: true, format: "esm", target: "es2022", write: false, logLevel: "error", external: ["./poll.js"], platform: "browser" });
  return [bundle.contents.length, gzipSync(bundle.contents, { level: 9 }).length];
}

try {
  writeFileSync(join(folder, "package.json"), "{}");
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...OTHERS.map(([name, version]) => `${name}@${version}`)], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  const { version } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
  const dist = readFileSync(join(here, "dist/michub.js"));
  const rows = [["**@michub/client**", version, dist.length, gzipSync(dist, { level: 9 }).length, "yes, of every frame", "yes", "yes", "yes", "yes", "yes", "yes"]];
  for (const [name, wanted, source, ...features] of OTHERS) rows.push([name, wanted, ...(await measure(source, folder)), ...features, "no"]);
  console.log("| package | version | minified | gzipped | own types | resumes the session | replays what was missed | bounded offline queue | lives in hidden tabs | polling fallback | rooms with a queue |");
  console.log("|---|---|---|---|---|---|---|---|---|---|---|");
  for (const [name, wanted, min, gz, ...rest] of rows) console.log(`| ${name} | ${wanted} | ${min.toLocaleString("en")} | ${gz.toLocaleString("en")} | ${rest.join(" | ")} |`);
} finally {
  rmSync(folder, { recursive: true });
}
