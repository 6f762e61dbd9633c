// Builds the control room and the scripts of the public pages into ../built, which git ignores.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'

import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

const BUILT = '../built'
// While developing, pages come from here and everything else from a running hub.
const HUB = process.env.MADANG_URL ?? 'http://127.0.0.1:8080'
const OF_THE_HUB = '^/(?!src/|node_modules/|@|control(/|$|[?])|index[.]html|[?]).+'

/** Compresses once, at build time, what the hub would otherwise compress at every request. */
function compressed(): Plugin {
  let folder = ''
  return {
    name: 'compressed',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir, 'assets')
    },
    closeBundle() {
      for (const name of readdirSync(folder)) {
        if (!/[.](js|mjs|css|svg)$/.test(name)) continue
        const content = readFileSync(join(folder, name))
        if (content.length < 1000) continue
        writeFileSync(join(folder, `${name}.br`), brotliCompressSync(content))
        writeFileSync(join(folder, `${name}.gz`), gzipSync(content, { level: 9 }))
      }
    },
  }
}

export default defineConfig({
  base: './',
  plugins: [svelte(), compressed()],
  build: {
    outDir: BUILT,
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    manifest: 'manifest.json',
    license: { fileName: 'licenses.md' },
    chunkSizeWarningLimit: 1200,
    rolldownOptions: {
      input: { control: 'index.html', public: 'src/public/main.ts' },
    },
  },
  worker: { format: 'es' },
  server: {
    host: '127.0.0.1',
    hmr: false,
    proxy: { [OF_THE_HUB]: { target: HUB, ws: true } },
  },
})
