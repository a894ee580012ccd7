/** Builds the examples from nothing, shows what the cache does, and runs what was built. */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, openSync, rmSync, appendFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(here, 'bin/tsbuild');
const work = mkdtempSync(join(tmpdir(), 'tsbuild-demo-'));
const env = { ...process.env, TSBUILD_ROOT: join(work, 'store') };

if (process.getuid?.() !== 0) {
  console.error('demo: run it as root: the containers of a build need it for now');
  process.exit(1);
}

try {
  title('A base image, made of Debian packages instead of pulled');
  importBase('base-busybox.sh', ['-c', 'CMD ["sh"]'], 'busybox:latest');

  const hello = join(work, 'hello');
  cpSync(join(here, 'examples/hello'), hello, { recursive: true });
  title('First build: everything runs');
  tsbuild(['-t', 'hello', hello]);
  title('Second build: everything is found in the cache');
  tsbuild(['-t', 'hello', hello]);
  title('One file changed: only what uses it runs');
  appendFileSync(join(hello, 'words/one'), 'snapshot\n');
  tsbuild(['-t', 'hello', hello]);
  title('Run it');
  tsbuild(['run', '--rm', 'hello', 'reader']);

  title('A web application: compiled in one stage, run as an ordinary user in another');
  importBase('base-node.sh', ['-c', 'CMD ["node"]'], 'node:20');
  tsbuild(['-t', 'web', join(here, 'examples/web')]);
  await serve();
  title('All of it');
  tsbuild(['images']);
  console.log('\ndemo: done');
} finally {
  rmSync(work, { recursive: true, force: true });
}

function title(text) {
  console.log(`\n\x1b[1m== ${text}\x1b[0m`);
}

function tsbuild(args) {
  console.log(`$ tsbuild ${args.join(' ').replaceAll(work, '…').replaceAll(`${here}/`, '')}`);
  const started = process.hrtime.bigint();
  const done = spawnSync(bin, args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (done.status !== 0) throw new Error(`tsbuild ${args[0]} ended with ${done.status ?? done.signal}`);
  console.log(`  (${(Number(process.hrtime.bigint() - started) / 1e6).toFixed(0)} ms in all)`);
}

function importBase(script, options, name) {
  mkdirSync(work, { recursive: true });
  const archive = join(work, `${script}.tar`);
  const made = spawnSync(join(here, 'scripts', script), [], { stdio: ['ignore', openSync(archive, 'w'), 'inherit'] });
  if (made.status !== 0) throw new Error(`${script} ended with ${made.status ?? made.signal}`);
  tsbuild(['import', ...options, archive, name]);
  rmSync(archive);
}

/** Starts the web image, asks it something, and stops it as a terminal's Ctrl-C would. */
async function serve() {
  const port = await freePort();
  console.log(`$ tsbuild run --rm --network host -e PORT=${port} web &`);
  const server = spawn(bin, ['run', '--rm', '--network', 'host', '-e', `PORT=${port}`, 'web'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => server.once('exit', (code, signal) => resolve(code ?? signal)));
  await Promise.race([
    new Promise((resolve) => server.stdout.on('data', (chunk) => (process.stdout.write(chunk), resolve()))),
    ended.then((code) => Promise.reject(new Error(`the server ended at once with ${code}`))),
  ]);
  const url = `http://127.0.0.1:${port}/?name=reader`;
  console.log(`$ curl '${url}'`);
  process.stdout.write(await (await fetch(url)).text());
  server.kill('SIGTERM');
  console.log(`  (server ended with ${await ended})`);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
