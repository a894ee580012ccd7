import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BIN, Lab } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';

const test = privileged(suite('run, end to end'));

test('the command, the entrypoint and their overrides', async () => {
  await using lab = await Lab.open();
  await lab.build('app', 'FROM busybox\nENTRYPOINT ["echo", "entry"]\nCMD ["cmd"]\n');
  assert.is((await lab.ok(['run', '--rm', 'app'])).stdout, 'entry cmd\n');
  assert.is((await lab.ok(['run', '--rm', 'app', 'a', '-b'])).stdout, 'entry a -b\n');
  assert.is((await lab.ok(['run', '--rm', '--entrypoint', 'ls', 'app', '-d', '/etc'])).stdout, '/etc\n');
});

test('exit codes are those of docker run', async () => {
  await using lab = await Lab.open();
  const code = async (...args: string[]) => (await lab.run(['run', '--rm', 'busybox', ...args])).code;
  assert.is(await code('true'), 0);
  assert.is(await code('sh', '-c', 'exit 42'), 42);
  assert.is(await code('sh', '-c', 'kill -TERM $$; trap "exit 9" TERM; kill -TERM $$'), 9);
  assert.is(await code('no-such-command'), 127);
  assert.is(await code('/etc/passwd'), 126);
  assert.is(await code('/etc'), 126);
  assert.is((await lab.run(['run', '--rm', '--pull', 'never', 'no-such-image'])).code, 125);
});

test('environment, user, working directory and hostname', async () => {
  await using lab = await Lab.open();
  await lab.build(
    'app',
    'FROM busybox\nRUN echo dev:x:1234:1234::/home/dev:/bin/sh >> /etc/passwd\nENV A=image B=image\nUSER dev\nWORKDIR /work\n',
  );
  const sh = async (flags: string[], script: string) =>
    (await lab.ok(['run', '--rm', ...flags, 'app', 'sh', '-c', script])).stdout;
  assert.is(await sh(['-e', 'B=flag'], 'echo $A $B'), 'image flag\n');
  assert.is(await sh([], 'id -u; id -g; pwd; echo $HOME'), '1234\n1234\n/work\n/home/dev\n');
  assert.is(await sh(['-u', '0', '-w', '/new/dir'], 'id -u; pwd; stat -c %u .'), '0\n/new/dir\n0\n');
  assert.is(await sh(['--hostname', 'box'], 'hostname'), 'box\n');
  const { env } = process;
  assert.ok(env['PATH']);
  assert.not.match(await sh([], 'env'), /npm_|NODE_|TSBUILD/);
});

test('volumes: host directories, read-only ones, and named ones that are seeded', async () => {
  await using lab = await Lab.open();
  await lab.build('app', 'FROM busybox\nRUN mkdir /data && echo seed > /data/file\nVOLUME /data\n');
  const host = join(lab.dir, 'host');
  await mkdir(host);
  await writeFile(join(host, 'in'), 'from the host\n');
  const flags = ['-v', `${host}:/mnt`];
  assert.is(
    (await lab.ok(['run', '--rm', ...flags, 'app', 'sh', '-c', 'cat /mnt/in; echo out > /mnt/out'])).stdout,
    'from the host\n',
  );
  assert.is(await readFile(join(host, 'out'), 'utf8'), 'out\n');
  const refused = await lab.run(['run', '--rm', '-v', `${host}:/mnt:ro`, 'app', 'sh', '-c', 'echo x > /mnt/x']);
  assert.is.not(refused.code, 0);
  assert.match(refused.stderr, /[Rr]ead-only/);
  const named = ['run', '--rm', '-v', 'cellar:/data', 'app', 'sh', '-c'];
  assert.is((await lab.ok([...named, 'cat /data/file; echo more >> /data/file'])).stdout, 'seed\n');
  assert.is((await lab.ok([...named, 'cat /data/file'])).stdout, 'seed\nmore\n');
  assert.is(await lab.sh('app', 'cat /data/file'), 'seed\n');
});

test('what a container writes stays in it, and --rm leaves nothing', async () => {
  await using lab = await Lab.open();
  await lab.ok(['run', '--name', 'kept', 'busybox', 'sh', '-c', 'echo x > /x']);
  assert.match((await lab.ok(['ps', '-a'])).stdout, /kept/);
  assert.is.not((await lab.run(['run', '--rm', 'busybox', 'cat', '/x'])).code, 0);
  await lab.ok(['rm', 'kept']);
  assert.not.match((await lab.ok(['ps', '-a'])).stdout, /kept/);
  assert.equal(readdirSync(join(lab.store, 'containers')), []);
});

test('stdin reaches the container only with -i', async () => {
  await using lab = await Lab.open();
  assert.is((await lab.ok(['run', '--rm', '-i', 'busybox', 'cat'], { input: 'hello\n' })).stdout, 'hello\n');
  assert.is((await lab.ok(['run', '--rm', 'busybox', 'cat'], { input: 'hello\n' })).stdout, '');
});

/** Processes on this machine whose command line holds `marker`. */
function processesWith(marker: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(marker);
      } catch {
        return false; // ended while we looked
      }
    });
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 1000) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
  test(`${signal} to a build ends its containers and leaves no mount`, async () => {
    await using lab = await Lab.open();
    const marker = `3${Math.trunc(Math.random() * 1e6)}`;
    const dir = await lab.context('app', {
      Dockerfile: `FROM busybox\nRUN sleep ${marker} & touch /started; sleep ${marker}\n`,
    });
    const build = spawn(BIN, ['build', dir], { env: { ...process.env, TSBUILD_ROOT: lab.store }, stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => build.once('exit', resolve));
    await until(() => processesWith(`sleep\0${marker}`).length >= 2, 'the step runs');
    build.kill(signal);
    const code = await ended;
    if (signal !== 'SIGKILL') assert.is(code, signal === 'SIGTERM' ? 143 : 130);
    await until(() => processesWith(marker).length === 0, 'the processes are gone');
    assert.not.match(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(lab.store));
    // The next build sweeps what the killed one left and works.
    await lab.build('next', 'FROM busybox\nRUN true\n');
    assert.equal(readdirSync(join(lab.store, 'snapshots/active')), []);
  });
}

test('a container is gone from the process list after it ended', async () => {
  await using lab = await Lab.open();
  const marker = `4${Math.trunc(Math.random() * 1e6)}`;
  await lab.ok(['run', '--rm', 'busybox', 'sh', '-c', `sleep ${marker} & exit 0`]);
  assert.equal(processesWith(marker), []);
  assert.not.ok(existsSync(join(lab.store, 'containers', marker)));
});

test.run();
