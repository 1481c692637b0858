// Builds the page into the Python package. No inline script, style or data: URL: the server's CSP forbids them all.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/",
  plugins: [svelte()],
  build: {
    outDir: "../src/perceptlm/annotate/web",
    emptyOutDir: true,
    assetsDir: "assets",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    target: "es2022",
    // What the colours need: light-dark().
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
