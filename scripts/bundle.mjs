// Bundles the command line into dist/: one small entry, everything that is imported lazily in chunks of its own.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url);
const path = (name) => fileURLToPath(new URL(name, root));
const { version } = JSON.parse(await readFile(path('package.json'), 'utf8'));

/**
 * Of `yargs/helpers` only the parser, which every command needs. The module would bring the whole help layout with it into the
 * first chunk, which takes longer to load than all the rest of the command line.
 */
const parserAlone = {
  name: 'parser-alone',
  setup(bundler) {
    bundler.onResolve({ filter: /^yargs\/helpers$/ }, () => ({ path: 'yargs/helpers', namespace: 'parser-alone' }));
    bundler.onLoad({ filter: /.*/, namespace: 'parser-alone' }, () => ({
      contents: "export { default as Parser } from 'yargs-parser';",
      resolveDir: path('node_modules/yargs'),
    }));
  },
};

const result = await build({
  entryPoints: { tsbuild: path('src/cli/process.ts') },
  outdir: path('dist'),
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  define: { TSBUILD_VERSION: JSON.stringify(version) },
  minifySyntax: true,
  minifyWhitespace: true,
  chunkNames: 'chunks/[name]-[hash]',
  metafile: true,
  plugins: [parserAlone],
  logLevel: 'warning',
  write: false,
}).catch(() => process.exit(1)); // esbuild has told why

// Only now, so that a mistake in the sources does not take a working bundle away.
await rm(path('dist'), { recursive: true, force: true });
for (const file of result.outputFiles) {
  await mkdir(dirname(file.path), { recursive: true });
  await writeFile(file.path, withRequire(file.text));
}

if (process.argv.includes('--sizes')) {
  for (const [name, output] of Object.entries(result.metafile.outputs))
    console.log(String(output.bytes).padStart(9), name);
}

/**
 * CommonJS packages require() Node's own modules, which an ES module has no function for. esbuild routes such calls through one helper,
 * so only the chunk that holds it needs one.
 */
function withRequire(code) {
  if (!code.includes('Dynamic require of')) return code;
  return `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);\n${code}`;
}
