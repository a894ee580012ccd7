import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { currentOwner, ownedName } from '../../src/core/owner.ts';
import { parsePrivateKey } from '../../src/executor/agent-keys.ts';
import type { AgentSocket } from '../../src/executor/agent-sockets.ts';
import { openAgentSocket } from '../../src/executor/agent-sockets.ts';
import type { AgentKey } from '../../src/executor/types.ts';
import { makeKey, publicKey, signThrough, sshAdd, TestAgent } from '../support/ssh.ts';
import { tempDir } from '../support/temp.ts';

const test = suite('sockets of SSH agents');

const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];

function serving(parent: string, keys: readonly AgentKey[]): Promise<AgentSocket> {
  return openAgentSocket('default', { kind: 'keys', keys }, { mode: 0o600, uid, gid, parent });
}

function keyAt(path: string): AgentKey {
  return parsePrivateKey(readFileSync(path), path);
}

/** Sends bytes, then no more; all that comes back. */
async function exchange(path: string, bytes: Uint8Array): Promise<Buffer> {
  const socket: Socket = connect({ path, allowHalfOpen: true });
  socket.end(bytes);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

/** A message with its length in front. */
function framed(...bytes: number[]): Buffer {
  return Buffer.from([0, 0, 0, bytes.length, ...bytes]);
}

test('OpenSSH lists the keys and has things signed by each', async () => {
  await using dir = await tempDir();
  const kinds = [
    ['-t', 'ed25519'],
    ['-t', 'rsa', '-b', '2048'],
    ['-t', 'ecdsa', '-b', '256'],
    ['-t', 'ecdsa', '-b', '384'],
    ['-t', 'ecdsa', '-b', '521', '-m', 'PKCS8'],
  ];
  const paths = kinds.map((options, index) => makeKey(dir.join(`key${index}`), options));
  await using agent = await serving(dir.path, paths.map(keyAt));
  const listed = await sshAdd(agent.address, '-L');
  assert.equal(
    listed
      .trim()
      .split('\n')
      .map((line) => line.trim()),
    paths.map(publicKey),
  );
  for (const path of paths) {
    // A signature's numbers differ in length from one to the next.
    for (let turn = 0; turn < 4; turn++) await signThrough(agent.address, path, `text ${turn}`);
  }
});

test('RSA keys sign with the hash that is asked for', async () => {
  await using dir = await tempDir();
  const key = keyAt(makeKey(dir.join('key'), ['-t', 'rsa', '-b', '2048']));
  const algorithm = (flags: number): string => {
    const signature = Buffer.from(key.sign(Buffer.from('x'), flags));
    return signature.subarray(4, 4 + signature.readUInt32BE()).toString();
  };
  assert.equal([0, 2, 4].map(algorithm), ['ssh-rsa', 'rsa-sha2-256', 'rsa-sha2-512']);
});

test('an unknown key signs nothing, and everything but listing and signing is refused', async () => {
  await using dir = await tempDir();
  await using agent = await serving(dir.path, [keyAt(makeKey(dir.join('key')))]);
  const failure = [0, 0, 0, 1, 5];
  // Removing one or all, adding, locking, an extension, an unknown one; and signing with a key of no bytes.
  for (const type of [9, 17, 18, 19, 22, 25, 27, 200])
    assert.equal([...(await exchange(agent.address, framed(type)))], failure);
  assert.equal([...(await exchange(agent.address, framed(13, ...Buffer.alloc(12))))], failure);
  // Requests one after the other, in one piece.
  const twice = await exchange(agent.address, Buffer.concat([framed(19), framed(19)]));
  assert.equal([...twice], [...failure, ...failure]);
  assert.match(await sshAdd(agent.address, '-l'), /ED25519/);
});

test('who breaks the rules is hung up on, and the others are not', async () => {
  await using dir = await tempDir();
  await using agent = await serving(dir.path, [keyAt(makeKey(dir.join('key')))]);
  const bad = [
    Buffer.from([0, 0, 0, 0]),
    Buffer.from([0xff, 0xff, 0xff, 0xff, 11]),
    framed(13, 1),
    Buffer.from([0, 0]),
  ];
  for (const bytes of bad) assert.is((await exchange(agent.address, bytes)).length, 0);
  assert.match(await sshAdd(agent.address, '-l'), /ED25519/);
});

test("the client's agent lists and signs, and keeps its keys", async () => {
  await using dir = await tempDir();
  const path = makeKey(dir.join('key'));
  await using client = await TestAgent.start(dir.path, [path]);
  const options = { mode: 0o600, uid, gid, parent: dir.path };
  await using agent = await openAgentSocket('default', { kind: 'socket', path: client.socket }, options);
  assert.match(await sshAdd(agent.address, '-L'), publicKey(path));
  await signThrough(agent.address, path, 'text');
  for (const args of [['-D'], ['-d', path], ['-q', makeKey(dir.join('other'))], ['-x']]) {
    await sshAdd(agent.address, ...args).then(
      () => assert.unreachable(`the agent took ${args.join(' ')}`),
      () => {},
    );
  }
  assert.is((await sshAdd(client.socket, '-L')).trim().split('\n').length, 1);
});

test('an agent that hangs up ends the connection', async () => {
  await using dir = await tempDir();
  const path = join(dir.path, 'agent');
  const server = createServer((socket) => socket.once('data', () => socket.destroy()).on('error', () => {})).listen(
    path,
  );
  await once(server, 'listening');
  try {
    const options = { mode: 0o600, uid, gid, parent: dir.path };
    await using agent = await openAgentSocket('default', { kind: 'socket', path }, options);
    assert.is((await exchange(agent.address, framed(11))).length, 0);
  } finally {
    server.close();
  }
});

test('a directory for temporary files may have a long name', async () => {
  await using dir = await tempDir();
  const parent = join(dir.path, 'x'.repeat(120));
  mkdirSync(parent);
  const agent = await serving(parent, [keyAt(makeKey(dir.join('key')))]);
  assert.is(statSync(agent.path).mode & 0o777, 0o600);
  assert.match(await sshAdd(agent.address, '-l'), /ED25519/);
  await agent[Symbol.asyncDispose]();
  assert.equal(readdirSync(parent), []);
});

test('directories of builds that were killed are removed, and no others', async () => {
  await using dir = await tempDir();
  const dead = spawnSync('true').pid;
  const self = currentOwner();
  const make = (name: string, mode = 0o700): string => {
    mkdirSync(join(dir.path, name));
    writeFileSync(join(dir.path, name, 'socket'), '');
    chmodSync(join(dir.path, name), mode);
    return name;
  };
  const gone = [
    make(ownedName('tsbuild-agent-0a', { ...self, pid: dead })),
    make(ownedName('tsbuild-agent-0b', { ...self, startTime: '1' })),
    make(ownedName('tsbuild-agent-0c', { ...self, bootId: 'other' })),
  ];
  const kept = [
    make(ownedName('tsbuild-agent-0d', self)),
    make(ownedName('tsbuild-agent-0e', { ...self, pidNamespace: '1', pid: dead })),
    // Not made by a build: it would be closed to others, or has another name.
    make(ownedName('tsbuild-agent-0f', { ...self, pid: dead }), 0o755),
    make('tsbuild-agent-abcdef'),
    make(ownedName('other-0a', { ...self, pid: dead })),
  ];
  const full = make(ownedName('tsbuild-agent-01', { ...self, pid: dead }));
  writeFileSync(join(dir.path, full, 'something'), '');
  const agent = await serving(dir.path, []);
  for (const name of gone) assert.not.ok(existsSync(join(dir.path, name)), name);
  for (const name of kept) assert.ok(existsSync(join(dir.path, name, 'socket')), name);
  assert.ok(existsSync(join(dir.path, full, 'something')));
  await agent[Symbol.asyncDispose]();
  assert.equal(readdirSync(dir.path).toSorted(), [...kept, full].toSorted());
});

test.run();
