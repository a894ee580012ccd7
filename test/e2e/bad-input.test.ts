import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Files } from '../support/e2e.ts';
import { BIN, busyboxTar, Lab } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';

const test = privileged(suite('bad input, end to end'));

/** What is in the store for good; the cache may keep steps that went well, and memos. */
function inventory(store: string): string[] {
  return readdirSync(store, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/\/store\/cache\/|\/leases\/|\/fs\//.test(path))
    .map((path) => `${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`)
    .sort();
}

interface Case {
  readonly title: string;
  readonly dockerfile: string;
  readonly code: number;
  /** All of them are in the report. */
  readonly says: readonly RegExp[];
  readonly files?: Files;
}

const CASES: readonly Case[] = [
  {
    title: 'an unknown instruction',
    dockerfile: 'FROM busybox\nRUM echo\n',
    code: 3,
    says: [/Dockerfile:2/, /RUM/, /\^/, /RUN/],
  },
  {
    title: 'an unknown flag',
    dockerfile: 'FROM busybox\nCOPY --chwon=1 a /\n',
    code: 3,
    says: [/Dockerfile:2/, /--chown/, /\^/],
  },
  { title: 'an empty Dockerfile', dockerfile: '\n# nothing\n', code: 3, says: [/Dockerfile/] },
  {
    title: 'a missing file in COPY',
    dockerfile: 'FROM busybox\nCOPY packag.json /\n',
    files: { 'package.json': '{}' },
    code: 1,
    says: [/Dockerfile:2/, /packag\.json/, />>>/, /package\.json/],
  },
  {
    title: 'a file that .dockerignore hides',
    dockerfile: 'FROM busybox\nCOPY secret /\n',
    files: { secret: 'x', '.dockerignore': 'secret\n' },
    code: 1,
    says: [/Dockerfile:2/, /\.dockerignore/],
  },
  {
    title: 'a failing RUN',
    dockerfile: 'FROM busybox\nRUN echo out; echo err >&2; exit 7\n',
    code: 1,
    says: [/Dockerfile:2/, />>> \| RUN echo out/, /exit code: 7/, /\bout\b/, /\berr\b/],
  },
  {
    title: 'an unknown stage',
    dockerfile: 'FROM busybox AS builder\nFROM busybox\nCOPY --from=bulider /a /\n',
    code: 3,
    says: [/Dockerfile:3/, /builder/],
  },
  {
    title: 'an unknown user',
    dockerfile: 'FROM busybox\nUSER stranger\nRUN true\n',
    code: 1,
    says: [/Dockerfile:3/, /unable to find user stranger/],
  },
  {
    title: 'a directory copied onto a file',
    dockerfile: 'FROM busybox\nCOPY d /etc/passwd\n',
    files: { 'd/a': 'a' },
    code: 1,
    says: [/Dockerfile:2/, /\/etc\/passwd/],
  },
  {
    title: 'a bad reference',
    dockerfile: 'FROM Busy_Box\n',
    code: 3,
    says: [/Dockerfile:1/, /Busy_Box/, /lower case/],
  },
  {
    title: 'an unreachable registry',
    dockerfile: 'FROM 127.0.0.1:1/nothing:here\n',
    code: 4,
    says: [/Dockerfile:1/, /127\.0\.0\.1:1/],
  },
  {
    title: 'a truncated archive in ADD',
    dockerfile: 'FROM busybox\nADD a.tar.gz /\n',
    files: { 'a.tar.gz': gzipSync(busyboxTar()).subarray(0, 100_000) },
    code: 5,
    says: [/Dockerfile:2/, /a\.tar\.gz/],
  },
];

test('each mistake in a build has its own report and exit code, and leaves the store as it was', async () => {
  await using lab = await Lab.open();
  for (const [index, { title, dockerfile, files, code, says }] of CASES.entries()) {
    const before = inventory(lab.store);
    const dir = await lab.context(`case${index}`, { ...files, Dockerfile: dockerfile });
    const outcome = await lab.run(['build', '-t', 'bad', dir]);
    assert.is(outcome.code, code, `${title}: exit code\n${outcome.stderr}`);
    for (const pattern of says) assert.match(outcome.stderr, pattern, `${title}\n${outcome.stderr}`);
    assert.not.match(outcome.stderr, /^\s+at .*:\d+:\d+/m, `${title}: a stack trace`);
    assert.equal(inventory(lab.store), before, `${title}: the store`);
  }
});

test('a wrong digest and a truncated blob from a registry are refused', async () => {
  await using lab = await Lab.open({ empty: true });
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`] },
    }),
  );
  const digest = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const layer = Buffer.alloc(4096, 'x');
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digest(config), size: config.length },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digest(layer), size: layer.length }],
    }),
  );
  let served: 'wrong' | 'truncated' = 'wrong';
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    if (url.includes('/manifests/')) {
      response.setHeader('Content-Type', 'application/vnd.oci.image.manifest.v1+json');
      response.end(request.method === 'HEAD' ? undefined : manifest);
    } else if (url.includes(digest(config))) response.end(config);
    else if (url.includes('/blobs/'))
      response.end(served === 'wrong' ? Buffer.alloc(4096, 'y') : layer.subarray(0, 100));
    else response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    for (served of ['wrong', 'truncated'] as const) {
      const outcome = await lab.run(['pull', `127.0.0.1:${port}/bad/image:v1`]);
      assert.ok(outcome.code === 4 || outcome.code === 5, `${served}: ${outcome.code}\n${outcome.stderr}`);
      assert.match(outcome.stderr, served === 'wrong' ? /digest/ : /bytes|size|ended|truncated/);
      assert.is((await lab.ok(['images', '-q'])).stdout, '');
      const dir = await lab.context('from', { Dockerfile: `FROM 127.0.0.1:${port}/bad/image:v1\nRUN true\n` });
      assert.is.not((await lab.run(['build', dir])).code, 0);
      assert.not.ok(existsSync(join(lab.store, 'snapshots/committed')));
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('corrupt archives are refused by load and import', async () => {
  await using lab = await Lab.open({ empty: true });
  for (const input of ['', 'not an archive', Buffer.alloc(10240, 'z')]) {
    for (const args of [['load'], ['import', '-', 'x']]) {
      if (args[0] === 'import' && input === '') continue;
      const outcome = await lab.run(args, { input });
      assert.is(outcome.code, 5, `${args[0]}: ${outcome.stderr}`);
    }
  }
  assert.is((await lab.ok(['images', '-q'])).stdout, '');
});

test('an unwritable store is told, with its own exit code', async () => {
  await using lab = await Lab.open({ empty: true });
  const outcome = await lab.run(['--root', '/proc/tsbuild', 'images']);
  assert.is(outcome.code, 6, outcome.stderr);
  assert.match(outcome.stderr, /\/proc\/tsbuild/);
});

test('a full disk is told, with its own exit code, and the next build works', async () => {
  await using lab = await Lab.open({ empty: true });
  const big = await lab.context('big', { Dockerfile: 'FROM busybox\nCOPY big /\n', big: Buffer.alloc(24 << 20) });
  const small = await lab.context('small', {
    Dockerfile: 'FROM busybox\nCOPY small /\nRUN cat /small\n',
    small: 'fits',
  });
  await writeFile(join(lab.dir, 'base.tar'), busyboxTar());
  await mkdir(lab.store);
  // A small file system of its own, gone with the mount namespace.
  const script = `
    mount -t tmpfs -o size=16m none "$TSBUILD_ROOT" || exit 99
    "$0" import base.tar busybox >/dev/null || exit 98
    "$0" build ${big}; echo "big: $?"
    "$0" build -t small ${small}; echo "small: $?"
    ls "$TSBUILD_ROOT/snapshots/active" | wc -l`;
  const done = spawnSync('unshare', ['--mount', 'sh', '-c', script, BIN], {
    cwd: lab.dir,
    env: { ...process.env, TSBUILD_ROOT: lab.store },
    encoding: 'utf8',
  });
  assert.match(done.stdout, /big: 6\n/, done.stderr);
  assert.match(done.stderr, /no space left/);
  assert.match(done.stdout, /small: 0\n0\n/, done.stderr);
});

test('a tar that leaves the root stays inside it', async () => {
  await using lab = await Lab.open();
  const dir = await lab.context('escape', { 'inner/a': 'a', canary: 'safe' });
  spawnSync('tar', ['-cf', 'evil.tar', '-P', '--transform', 's,^inner/a,../../../../canary-out,', 'inner/a'], {
    cwd: dir,
  });
  const outcome = await lab.run(['build', '-f', '-', dir], { input: 'FROM busybox\nADD evil.tar /x/y/\n' });
  assert.is.not(outcome.code, 0, outcome.stderr);
  assert.match(outcome.stderr, /canary-out/);
});

test.run();
