import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BIN, Lab, wasCached } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';

const test = privileged(suite('the examples, end to end'));

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('hello: two stages side by side, a heredoc, a user of its own', async () => {
  await using lab = await Lab.open();
  const dir = join(lab.dir, 'hello');
  await cp(join(ROOT, 'examples/hello'), dir, { recursive: true });
  await lab.ok(['-t', 'hello', dir]);
  const { stdout } = await lab.ok(['run', '--rm', 'hello', 'reader']);
  assert.match(stdout, /Hello, reader! I am greeter/);
  assert.match(stdout, /LAYER\nCACHE\n/);
  assert.ok(wasCached(await lab.ok(['-t', 'hello', dir]), 'RUN for file in'));
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

test('web: compiled by TypeScript in RUN, answers HTTP as an ordinary user, ends on SIGTERM', async () => {
  await using lab = await Lab.open({ empty: true });
  const base = spawnSync(join(ROOT, 'scripts/base-node.sh'), { maxBuffer: 1 << 30 });
  assert.is(base.status, 0, base.stderr.toString());
  await lab.ok(['import', '-c', 'CMD ["node"]', '-', 'node:20'], { input: base.stdout });
  await lab.ok(['-t', 'web', join(ROOT, 'examples/web')]);

  const [image] = JSON.parse((await lab.ok(['inspect', 'web'])).stdout) as [{ Config: Record<string, unknown> }];
  assert.equal(image.Config['Cmd'], ['node', 'dist/server.js']);
  assert.equal(image.Config['ExposedPorts'], { '8080/tcp': {} });
  assert.equal(image.Config['Healthcheck'], {
    Test: ['CMD', 'node', 'dist/health.js'],
    Interval: 10_000_000_000,
    Timeout: 2_000_000_000,
  });

  const port = await freePort();
  const server = spawn(BIN, ['run', '--rm', '--network', 'host', '-e', `PORT=${port}`, 'web'], {
    env: { ...process.env, TSBUILD_ROOT: lab.store },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(server, 'exit');
  let errors = '';
  server.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const first = await Promise.race([once(server.stdout, 'data'), ended.then(() => undefined)]);
  assert.match(String(first?.[0]), /listening on port/, errors);
  const answer = await (await fetch(`http://127.0.0.1:${port}/?name=tester`)).text();
  assert.is(answer, 'Hello, tester!\nserved by node, pid 1\n');
  server.kill('SIGTERM');
  assert.equal(await ended, [0, null]);
});

test.run();
