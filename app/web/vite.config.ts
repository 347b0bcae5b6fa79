import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** The coordinator to develop and test against: `PINAIVU_URL=http://127.0.0.1:8402 npm run dev`. */
const coordinator = process.env["PINAIVU_URL"] ?? "http://127.0.0.1:8402";
const proxy = { "/v1": { target: coordinator }, "/healthz": { target: coordinator } };

/**
 * What the coordinator sends with the pages, and `vite preview` too, so that tests run under it.
 * `connect-src`: people may choose their own RPC. `style-src`: style attributes of maths and charts.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self' https: wss: http://127.0.0.1:* http://localhost:*",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export default defineConfig({
  plugins: [react()],
  resolve: { conditions: ["source", "module", "browser", "development|production"] },
  server: { proxy },
  preview: { proxy, headers: { "content-security-policy": policy, "referrer-policy": "no-referrer" } },
  build: {
    target: "es2022",
    sourcemap: true,
    // Nothing is inlined as data: fonts and images are files, which the policy can name.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"] },
} as Parameters<typeof defineConfig>[0]);
