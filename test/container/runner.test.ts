import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemHost } from '../../src/container/host.ts';
import { diskBytes } from '../../src/core/directories.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { BuildError } from '../../src/core/errors.ts';
import { rigTest } from '../support/rig.ts';
import { ToyTree } from '../support/toy-tree.ts';
import { CONTAINER_PID, containerRig, fakeContainer, fakeMachine, identity, image, request, SELF_PID } from './rig.ts';

const test = suite('container runner');

const NEVER = new AbortController().signal;

async function rejectsWith(code: ErrorCode, action: Promise<unknown>): Promise<BuildError> {
  try {
    await action;
  } catch (error) {
    if (error instanceof BuildError && error.code === code) return error;
    throw error;
  }
  throw new Error(`"${code}" was expected`);
}

test(
  'runs a container, keeps its record and removes it',
  rigTest(async ({ dir }) => {
    const { runner, specs } = containerRig(dir.path, async () => ({ code: 3, oomKilled: false }));
    const { containerId, exitCode } = await runner.run(image({ Env: ['A=1'] }), request({ name: 'box' }), NEVER);
    assert.is(exitCode, 3);
    const [spec] = specs;
    assert.is(spec?.id, containerId);
    assert.is(spec?.hostname, containerId.slice(0, 12));
    assert.ok(spec?.env.includes(`HOSTNAME=${containerId.slice(0, 12)}`));
    assert.equal(spec?.rootfs.kind === 'overlay' && spec.rootfs.volatile, false);
    assert.equal(await runner.list(), [
      {
        id: containerId,
        name: 'box',
        image: 'app',
        imageId: image().id,
        command: ['sh'],
        createdAtMs: 1_700_000_000_000,
        ports: [],
        state: { kind: 'exited', code: 3 },
      },
    ]);
    assert.is(await runner.remove('box', false), containerId);
    assert.equal(await runner.list(), []);
    assert.equal(await readdir(dir.join('containers')), []);
    assert.equal(await readdir(dir.join('container-names')), []);
  }),
);

test(
  'gives the runtime directories and files that exist',
  rigTest(async ({ dir }) => {
    const { runner } = containerRig(dir.path, async (spec) => {
      if (spec.rootfs.kind !== 'overlay') throw new Error('a container has a layer of its own');
      assert.equal(await readdir(spec.rootfs.upper), []);
      assert.equal(await readdir(spec.rootfs.work), []);
      assert.is(await readFile(spec.etcFiles.hostname ?? '', 'utf8'), 'box\n');
      assert.match(await readFile(spec.etcFiles.hosts ?? '', 'utf8'), '\tbox\n');
      assert.match(await readFile(spec.etcFiles.resolvConf ?? '', 'utf8'), 'nameserver');
      return { code: 0, oomKilled: false };
    });
    await runner.run(image(), request({ hostname: 'box' }), NEVER);
  }),
);

for (const how of ['ends', 'fails', 'is cancelled'] as const) {
  test(
    `leaves nothing of a container with --rm that ${how}`,
    rigTest(async ({ dir }) => {
      const controller = new AbortController();
      const { runner } = containerRig(dir.path, async (spec, { signal }) => {
        assert.is((await readdir(dir.join('volumes'))).length, 2);
        if (how === 'fails') throw new BuildError('command-not-found', 'no such command');
        if (how === 'ends') return { code: 0, oomKilled: false };
        controller.abort(new BuildError('cancelled', 'stop'));
        assert.is(signal?.aborted, true);
        throw new BuildError('cancelled', `stopped ${spec.id}`);
      });
      const volumes = [
        { target: '/anonymous', readonly: false },
        { target: '/kept', source: 'kept', readonly: false },
      ];
      const run = runner.run(image(), request({ remove: true, volumes }), controller.signal);
      if (how === 'ends') await run;
      else await rejectsWith(how === 'fails' ? 'command-not-found' : 'cancelled', run);
      assert.equal(await readdir(dir.join('containers')), []);
      assert.equal(await readdir(dir.join('container-names')), []);
      assert.equal(await readdir(dir.join('volumes')), ['kept']);
    }),
  );
}

test(
  'remembers why a container did not start',
  rigTest(async ({ dir }) => {
    const { runner } = containerRig(dir.path, async () => {
      throw new BuildError('command-not-found', 'no such command');
    });
    await rejectsWith('command-not-found', runner.run(image(), request(), NEVER));
    assert.equal((await runner.list())[0]?.state, { kind: 'exited', code: 127 });
  }),
);

test(
  'gives a name to one container at a time',
  rigTest(async ({ dir }) => {
    const { runner } = containerRig(dir.path);
    await runner.run(image(), request({ name: 'box' }), NEVER);
    const error = await rejectsWith('container-in-use', runner.run(image(), request({ name: 'box' }), NEVER));
    assert.match(error.hint ?? '', 'tsbuild rm box');
    assert.is((await runner.list()).length, 1);
    await runner.remove('box', false);
    await runner.run(image(), request({ name: 'box' }), NEVER);
    // Two that start at the same time.
    const both = await Promise.allSettled([1, 2].map(() => runner.run(image(), request({ name: 'twin' }), NEVER)));
    assert.equal(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  }),
);

test(
  'takes a name over from a container that is gone',
  rigTest(async ({ dir }) => {
    const { runner } = containerRig(dir.path);
    const { containerId } = await runner.run(image(), request({ name: 'box' }), NEVER);
    await writeFile(dir.join('containers', containerId, 'config.json'), '');
    await runner.run(image(), request({ name: 'box' }), NEVER);
    assert.is((await runner.list()).length, 1);
  }),
);

test(
  'finds containers by name, ID and the start of an ID',
  rigTest(async ({ dir }) => {
    const { runner } = containerRig(dir.path);
    const { containerId: first } = await runner.run(image(), request(), NEVER);
    const { containerId: second } = await runner.run(image(), request(), NEVER);
    await rejectsWith('container-not-found', runner.remove('nobody', false));
    await rejectsWith('container-not-found', runner.remove('', false));
    // The counting machine makes IDs that start alike.
    await rejectsWith('container-not-found', runner.remove('0', false));
    assert.is(await runner.remove(first.slice(0, 12), false), first);
    assert.is(await runner.remove(second, false), second);
  }),
);

test(
  'shows a running container, and removes it only by force',
  rigTest(async ({ dir }) => {
    const { runner, machine } = containerRig(dir.path, async (_, options) => {
      options.onStarted?.(fakeContainer());
      await running.promise;
      return { code: 137, oomKilled: false };
    });
    const running = deferred();
    const run = runner.run(image(), request({ name: 'box' }), NEVER);
    while ((await runner.list())[0]?.state.kind !== 'running' || machine.processes.get(CONTAINER_PID) === undefined)
      await turn();
    while (!/"running"/.test(await stateOf(dir.path))) await turn();
    assert.equal((await runner.list())[0]?.state, { kind: 'running', pid: CONTAINER_PID });
    await rejectsWith('container-in-use', runner.remove('box', false));
    assert.equal(await runner.prune(), { removed: [], reclaimedBytes: 0 });
    await runner.remove('box', true);
    assert.equal(machine.killed, [[CONTAINER_PID, 'SIGKILL']]);
    running.resolve();
    assert.is((await run).exitCode, 137);
    // The end of the run did not bring the record back.
    assert.equal(await runner.list(), []);
    assert.equal(await readdir(dir.join('containers')), []);
  }),
);

test(
  'takes a container whose process is gone for ended, even if another process has its pid',
  rigTest(async ({ dir }) => {
    const machine = fakeMachine();
    const { runner } = containerRig(dir.path, undefined, machine);
    const { containerId } = await runner.run(image(), request({ name: 'lost' }), NEVER);
    const path = dir.join('containers', containerId, 'state.json');
    const state = async (process: unknown): Promise<unknown> => {
      await writeFile(path, JSON.stringify({ kind: 'running', process, startedAtMs: 0 }));
      return (await runner.list())[0]?.state;
    };
    const lost = { kind: 'exited', code: 137 };
    assert.equal(await state(identity(77)), lost);
    machine.processes.set(77, identity(77, 'later'));
    assert.equal(await state(identity(77)), lost);
    machine.processes.set(77, identity(77));
    assert.equal(await state(identity(77)), { kind: 'running', pid: 77 });
    assert.equal(await state({ ...identity(77), bootId: 'earlier' }), lost);
    // Of another pid namespace nothing is known.
    assert.equal(await state({ ...identity(78), pidNamespace: '2' }), { kind: 'running', pid: 78 });
  }),
);

test(
  'removes a container with --rm whose run was killed',
  rigTest(async ({ dir }) => {
    const { runner, machine } = containerRig(dir.path, async (_, { onStarted }) => {
      onStarted?.(fakeContainer());
      return new Promise<never>(() => undefined);
    });
    void runner.run(image({ Volumes: { '/data': {} } }), request({ remove: true }), NEVER);
    while ((await runner.list()).length === 0 || !/"running"/.test(await stateOf(dir.path))) await turn();
    machine.processes.clear();
    machine.processes.set(SELF_PID, identity(SELF_PID, 'the next run'));
    assert.equal(await runner.list(), []);
    assert.equal(await readdir(dir.join('containers')), []);
    assert.equal(await readdir(dir.join('volumes')), []);
  }),
);

test(
  'prunes what has ended and what crashes left',
  rigTest(async ({ dir }) => {
    const { runner } = containerRig(dir.path, async (spec) => {
      if (spec.rootfs.kind === 'overlay') await writeFile(`${spec.rootfs.upper}/file`, 'x'.repeat(100));
      return { code: 0, oomKilled: false };
    });
    const { containerId } = await runner.run(image({ Volumes: { '/data': {} } }), request(), NEVER);
    const [half, fresh] = ['a'.repeat(64), 'b'.repeat(64)];
    for (const name of [half, fresh, `.removed-${'c'.repeat(64)}`]) await mkdir(dir.join('containers', name));
    const now = 1_700_000_000;
    await utimes(dir.join('containers', half), now - 7200, now - 7200);
    await utimes(dir.join('containers', fresh), now, now);
    const reclaimedBytes = await diskBytes(dir.join('containers', containerId, 'fs'));
    assert.ok(reclaimedBytes >= 100);
    assert.equal(await runner.prune(), { removed: [containerId], reclaimedBytes });
    assert.equal((await readdir(dir.join('containers'))).sort(), [fresh]);
    assert.equal(await readdir(dir.join('volumes')), []);
  }),
);

test(
  'passes a signal on to the container, whose end counts',
  rigTest(async ({ dir }) => {
    const controller = new AbortController();
    const passedOn: string[] = [];
    const { runner } = containerRig(dir.path, async (_, options) => {
      const ended = deferred();
      options.onStarted?.(
        fakeContainer((signal) => {
          passedOn.push(signal);
          ended.resolve();
        }),
      );
      controller.abort(new BuildError('cancelled', 'stop', { cause: 'SIGTERM' }));
      await ended.promise;
      assert.is(options.signal?.aborted, false);
      return { code: 143, oomKilled: false };
    });
    assert.is((await runner.run(image(), request(), controller.signal)).exitCode, 143);
    assert.equal(passedOn, ['SIGTERM']);
  }),
);

test(
  'kills a container that does not end in time',
  rigTest(async ({ dir }) => {
    const controller = new AbortController();
    const { runner } = containerRig(dir.path, async (_, { onStarted, signal }) => {
      onStarted?.(fakeContainer());
      const killed = new Promise((resolve) => signal?.addEventListener('abort', resolve));
      controller.abort(new BuildError('cancelled', 'stop', { cause: 'SIGINT' }));
      await killed;
      throw new BuildError('cancelled', 'killed');
    });
    await rejectsWith('cancelled', runner.run(image(), request(), controller.signal));
  }),
);

test(
  'starts nothing when it is cancelled before',
  rigTest(async ({ dir }) => {
    const { runner, specs } = containerRig(dir.path);
    await rejectsWith(
      'cancelled',
      runner.run(image(), request(), AbortSignal.abort(new BuildError('cancelled', 'stop'))),
    );
    assert.equal(specs, []);
    assert.equal(await runner.list(), []);
  }),
);

test(
  'fills volumes from the image once',
  rigTest(async ({ dir }) => {
    const tree = new ToyTree({
      '/real/sub': { type: 'directory', mode: 0o700, uid: 1, gid: 2 },
      '/real/sub/a': { type: 'file', mode: 0o640, uid: 3, gid: 4, hardLinkId: 'h' },
      '/real/b': { type: 'file', mode: 0o640, uid: 3, gid: 4, hardLinkId: 'h' },
      '/real/link': { link: 'sub' },
      '/real/pipe': { type: 'fifo' },
      '/real/socket': { type: 'socket' },
      '/data': { link: '/real' },
      '/file': 'not a directory',
    });
    const { runner, specs, written } = containerRig(dir.path);
    const volumes = [
      { target: '/data', source: 'kept', readonly: true },
      { target: '/file', source: 'other', readonly: false },
    ];
    await runner.run(image({}, tree), request({ volumes }), NEVER);
    const filled = [
      'file b 640 3:4 /toy/real/b',
      'symlink link -> sub',
      'node pipe fifo',
      'directory sub 700 1:2',
      'link sub/a = b',
      'close',
    ];
    assert.equal(written, filled);
    assert.equal(specs[0]?.mounts, [
      { kind: 'bind', source: dir.join('volumes/kept/_data'), target: '/data', readonly: true, recursive: true },
      { kind: 'bind', source: dir.join('volumes/other/_data'), target: '/file', readonly: false, recursive: true },
    ]);
    await runner.run(image({}, tree), request({ volumes }), NEVER);
    assert.equal(written, filled);
    assert.equal((await readdir(dir.join('volumes'))).sort(), ['kept', 'other']);
  }),
);

test(
  'mounts outer volumes first, and an explicit one in place of a VOLUME',
  rigTest(async ({ dir }) => {
    const { runner, specs } = containerRig(dir.path);
    const volumes = [
      { target: '/a/b/c', source: dir.join('host/new'), readonly: false },
      { target: '/a', source: dir.path, readonly: false },
    ];
    await runner.run(image({ Volumes: { '/a/b/': {}, '/a': {}, '/': {} } }), request({ volumes }), NEVER);
    const mounts = specs[0]?.mounts ?? [];
    assert.equal(
      mounts.map(({ target }) => target),
      ['/a', '/a/b', '/a/b/c'],
    );
    // -v makes the directory that is missing.
    assert.equal(await readdir(dir.join('host')), ['new']);
    const twice = [volumes[1], volumes[1]].flatMap((volume) => volume ?? []);
    await rejectsWith('usage', runner.run(image(), request({ volumes: twice }), NEVER));
  }),
);

test('identifies processes of this machine', async () => {
  const host = systemHost();
  const self = await host.identify(process.pid);
  assert.match(self?.startTicks ?? '', /^\d+$/);
  assert.equal(await host.identify(process.pid), self);
  // Above the largest pid that Linux can be set to.
  assert.is(await host.identify(2 ** 22 + 1), undefined);
  assert.is(await host.readText('/nonexistent'), undefined);
});

interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
}

function deferred(): Deferred {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve: () => resolve() };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function stateOf(root: string): Promise<string> {
  const [id = ''] = await readdir(`${root}/containers`);
  return readFile(`${root}/containers/${id}/state.json`, 'utf8');
}

test.run();
