// Bundles the command line into dist/: one small entry, everything that is imported lazily in chunks of its own, and the
// native runtime beside them.
import { chmod, copyFile, readFile, rm } from 'node:fs/promises';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url);
const path = (name) => new URL(name, root).pathname;
const { version } = JSON.parse(await readFile(path('package.json'), 'utf8'));

/**
 * yargs' modules only define things when they load. Without this, its parser would bring the whole help layout with it into
 * the entry, which costs more time than the parser itself.
 */
const treeShakeYargs = {
  name: 'tree-shake-yargs',
  setup(bundler) {
    const packages = /(^|node_modules\/)(yargs|y18n|cliui|escalade)(\/|$)/;
    bundler.onResolve({ filter: /.*/ }, async ({ path: name, pluginData, ...args }) => {
      if (pluginData === treeShakeYargs || !(packages.test(name) || packages.test(args.importer))) return undefined;
      return { ...(await bundler.resolve(name, { ...args, pluginData: treeShakeYargs })), sideEffects: false };
    });
  },
};

await rm(path('dist'), { recursive: true, force: true });
const result = await build({
  entryPoints: { tsbuild: path('src/cli/process.ts') },
  outdir: path('dist'),
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // CommonJS packages (moo, nearley) may call require() for Node's own modules.
  banner: {
    js: "import { createRequire as createRequireForBundle } from 'node:module'; const require = createRequireForBundle(import.meta.url);",
  },
  define: { TSBUILD_VERSION: JSON.stringify(version) },
  keepNames: true,
  minifySyntax: true,
  minifyWhitespace: true,
  chunkNames: 'chunks/[name]-[hash]',
  metafile: true,
  plugins: [treeShakeYargs],
  logLevel: 'warning',
});

const runtime = path('src/runtime-native/c/build/tsbuild-runtime');
try {
  await copyFile(runtime, path('dist/tsbuild-runtime'));
  await chmod(path('dist/tsbuild-runtime'), 0o755);
} catch (error) {
  if (error.code !== 'ENOENT') throw error;
  console.warn('bundle: the native runtime is not built; run "npm run native"');
}

if (process.argv.includes('--sizes')) {
  for (const [name, output] of Object.entries(result.metafile.outputs))
    console.log(String(output.bytes).padStart(9), name);
}
