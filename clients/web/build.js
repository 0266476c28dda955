// Builds dist/ (one ESM file, the polling fallback that it loads when it must, the types, the licences) and the page's copy. `--check` fails if the page's copy is not what the sources give.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { minify } from "terser";

/** 6,000 bytes, and what GNU gzip needs more than zlib. */
const MAX_GZIP = 5955;
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
// The package has the licences with it.
mkdirSync(at("dist"), { recursive: true });
for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(at(`../../${name}`), at(`dist/${name}`));
const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"));
const check = process.argv.includes("--check");

execFileSync(process.execPath, [at("node_modules/typescript/bin/tsc"), "-p", at("tsconfig.json")], { stdio: "inherit" });
for (const [entry, name, max] of [["src/index.ts", "michub.js", MAX_GZIP], ["src/poll.ts", "poll.js", MAX_GZIP]]) {
  const { outputFiles: [bundle] } = await build({
    entryPoints: [at(entry)], outfile: at(`dist/${name}`), bundle: true, format: "esm", target: "es2022", mangleProps: /^_/, external: ["./poll.js"], minifySyntax: true, define: { __VERSION__: JSON.stringify(version) }, write: false, logLevel: "warning",
  });
  const { code } = await minify(bundle.text, { module: true, ecma: 2022, compress: { passes: 3, unsafe_arrows: true, pure_getters: true, hoist_funs: true }, mangle: true });
  const fresh = Buffer.from(`${code}\n`);
  const size = gzipSync(fresh, { level: 9 }).length;
  console.log(`dist/${name}: ${fresh.length} bytes, ${size} gzipped`);
  if (size > max) throw new Error(`more than ${max} bytes gzipped`);
  writeFileSync(at(`dist/${name}`), fresh);
  const copy = at(`../../web-demo/vendor/${name}`);
  if (!check) {
    mkdirSync(at("../../web-demo/vendor"), { recursive: true });
    writeFileSync(copy, fresh);
  } else if (!fresh.equals(readFileSync(copy))) throw new Error(`web-demo/vendor/${name} is not what clients/web builds: run \`npm run build\` there`);
}
