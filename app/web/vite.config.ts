import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** The coordinator to develop and test against: `PINAIVU_URL=http://127.0.0.1:8402 npm run dev`. */
const coordinator = process.env["PINAIVU_URL"] ?? "http://127.0.0.1:8402";
const proxy = { "/v1": { target: coordinator }, "/healthz": { target: coordinator } };

/**
 * What the coordinator sends with the pages, and `vite preview` too, so that tests run under it; a journey
 * compares the two. `connect-src`: people may choose their own RPC. `style-src`: style attributes of
 * maths and charts.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self' https: wss: http://127.0.0.1:* http://localhost:* ws://127.0.0.1:* ws://localhost:*",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Leaves `x.br` and `x.gz` beside each file of text: the coordinator sends those to clients that take them. */
function compressed(): Plugin {
  let folder = "dist";
  return {
    name: "pinaivu-compressed",
    apply: "build",
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    async closeBundle() {
      const files = await readdir(folder, { recursive: true });
      for (const file of files.filter((name) => /\.(js|css|html|svg|json)$/.test(name))) {
        const content = await readFile(join(folder, file));
        if (content.length < 1024) continue;
        await writeFile(join(folder, `${file}.br`), brotliCompressSync(content));
        await writeFile(join(folder, `${file}.gz`), gzipSync(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), compressed()],
  resolve: { conditions: ["source", "module", "browser", "development|production"] },
  // For tests that run in Node: our packages from their sources there too.
  ssr: { resolve: { conditions: ["source", "module", "node", "development|production"] } },
  server: { proxy },
  preview: { proxy, headers: { "content-security-policy": policy, "referrer-policy": "no-referrer" } },
  build: {
    target: "es2022",
    sourcemap: true,
    // What scripts/size.mjs weighs pages by. In a hidden folder, so it is not served.
    manifest: true,
    // Nothing is inlined as data: fonts and images are files, which the policy can name.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"] },
} as Parameters<typeof defineConfig>[0]);
