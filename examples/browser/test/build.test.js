// The build is the source, and small.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { build } from "esbuild";

const file = (name) => new URL(`../${name}`, import.meta.url);
const { scripts } = JSON.parse(await readFile(file("package.json"), "utf8"));
const built = await readFile(file("distributary.min.js"), "utf8");

test("the build is of this source", async () => {
  const { outputFiles } = await build({
    entryPoints: [file("distributary.js").pathname],
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  const again = outputFiles[0].text;
  assert.equal(built, again, `run \`npm run build\`, which does: ${scripts.build}`);
});

test("it is smaller than 5,000 bytes", () => {
  const size = Buffer.byteLength(built);
  assert.ok(size < 5_000, `${size} bytes`);
});

test("it depends on nothing", () => {
  assert.doesNotMatch(built, /\bimport\b|\brequire\b/);
});
