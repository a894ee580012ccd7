// Bundles the command line and all that it imports into one file in dist/, and compiles it ahead.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** As in bin/tsbuild. */
const ID_LENGTH = 16;

const root = new URL('..', import.meta.url);
const path = (name) => fileURLToPath(new URL(name, root));
const { version } = JSON.parse(await readFile(path('package.json'), 'utf8'));

/**
 * Of `yargs/helpers` only the parser, which every command needs. The module would bring the whole help layout with it,
 * which takes longer to load than all the rest of the command line.
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

/**
 * One script of CommonJS in a function, to be called by bin/tsbuild. As one file it loads faster than modules do; what is imported lazily is
 * in it, but neither run nor compiled before it is needed, and the same holds for the modules of Node that it requires.
 */
const result = await build({
  entryPoints: [path('src/cli/process.ts')],
  outfile: path('dist/tsbuild.cjs'),
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20.19',
  banner: { js: '(function (exports, require, module, bundleUrl) {' },
  footer: { js: '})' },
  define: { TSBUILD_VERSION: JSON.stringify(version), 'import.meta.url': 'bundleUrl' },
  // A script that Node compiles from a cache cannot import by itself: what is left of such imports becomes require().
  supported: { 'dynamic-import': false },
  minifySyntax: true,
  minifyWhitespace: true,
  metafile: true,
  plugins: [parserAlone],
  logLevel: 'warning',
  write: false,
}).catch(() => process.exit(1)); // esbuild has told why

// Renamed into place, so that a build that starts meanwhile finds a whole bundle. Its first line names the compiled code that belongs to it:
// V8 itself would tell two sources apart by their length alone.
const { text } = result.outputFiles[0];
const id = createHash('sha256').update(text).digest('hex').slice(0, ID_LENGTH);
await mkdir(path('dist'), { recursive: true });
await writeFile(path('dist/tsbuild.cjs.new'), `//${id}\n${text}`);
await rename(path('dist/tsbuild.cjs.new'), path('dist/tsbuild.cjs'));
await compileAhead();
const current = new Set(['tsbuild.cjs', `${id}.cache`]);
for (const name of await readdir(path('dist'))) {
  if (!current.has(name)) await rm(path(`dist/${name}`), { recursive: true, force: true });
}

if (process.argv.includes('--sizes')) {
  const [output] = Object.values(result.metafile.outputs);
  const inputs = Object.entries(output.inputs).map(([name, { bytesInOutput }]) => [bytesInOutput, name]);
  for (const [bytes, name] of inputs.sort(([one], [other]) => one - other))
    console.log(String(bytes).padStart(8), name);
}

/**
 * Keeps the compiled code of a cached build, which the second of two builds is. Whether they succeed is of no matter here: one that this
 * machine does not allow still compiles most of the code.
 */
async function compileAhead() {
  const dir = await mkdtemp(join(tmpdir(), 'tsbuild-bundle-'));
  try {
    await writeFile(join(dir, 'Dockerfile'), 'FROM scratch AS a\nARG N=1\nCOPY f /\nFROM a\nENV N=$N\nCMD ["/f"]\n');
    await writeFile(join(dir, 'f'), '');
    const env = { ...process.env, TSBUILD_ROOT: join(dir, 'store'), NODE_OPTIONS: '', BUILDKIT_PROGRESS: 'plain' };
    for (let build = 0; build < 2; build++) {
      const args = [
        path('scripts/code-cache.cjs'),
        path('dist/tsbuild.cjs'),
        path(`dist/${id}.cache`),
        '-t',
        'warm-up',
        dir,
      ];
      spawnSync(process.execPath, args, { env, stdio: 'ignore' });
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
