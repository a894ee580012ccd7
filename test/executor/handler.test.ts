import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LocalTree } from '../../src/context/local.ts';
import { createContentMemo } from '../../src/cache/content-memo.ts';
import { createCacheStorage } from '../../src/cache/storage.ts';
import { digestOf } from '../../src/core/digest.ts';
import { hostPlatform } from '../../src/core/platform.ts';
import { createResultCodec } from '../../src/executor/codec.ts';
import { createExecutor } from '../../src/executor/handler.ts';
import type { BuildResult } from '../../src/executor/types.ts';
import type { SnapshotId } from '../../src/snapshot/types.ts';
import { GraphBuilder } from '../../src/solver/graph.ts';
import { createSolver } from '../../src/solver/job.ts';
import type { Op } from '../../src/solver/op.ts';
import type { Vertex } from '../../src/solver/types.ts';
import { rejectsWith } from '../support/assert.ts';
import { copyAction, execOp, ExecutorRig, from } from '../support/executor-rig.ts';
import { privileged } from '../support/privileged.ts';
import { tempDir } from '../support/temp.ts';

const suiteOfHandler = suite('executor');
const test = privileged(suiteOfHandler);

const BASE: Op = { kind: 'image', reference: 'base', manifest: digestOf('base'), platform: hostPlatform() };

/** Builds graphs over one store, each build with an executor and a look at the context of its own. */
class Builds {
  readonly rig: ExecutorRig;
  readonly dir: string;
  /** What was unpacked, and which vertices ran. */
  unpacked = 0;
  /** The one layer of each image that is not the base, by reference. */
  readonly images = new Map<string, SnapshotId>();
  ran: string[] = [];

  constructor(rig: ExecutorRig, dir: string) {
    this.rig = rig;
    this.dir = dir;
  }

  async build(make: (graph: GraphBuilder<Op>) => Vertex<Op>): Promise<BuildResult> {
    const base = await this.rig.busybox();
    await using executor = createExecutor({
      ...this.rig.deps,
      memo: createContentMemo({ dir: join(this.rig.root, 'cache') }),
      locals: new Map([['context', new LocalTree(this.dir)]]),
      unpacker: async () => ({
        unpack: async (reference) => {
          this.unpacked++;
          const layer = this.images.get(reference);
          if (layer !== undefined) return [layer];
          return base.result.kind === 'layers' ? base.result.layers : [];
        },
      }),
    });
    const storage = createCacheStorage({
      dir: join(this.rig.root, 'cache'),
      codec: createResultCodec(this.rig.snapshots),
    });
    const solver = createSolver({ handler: executor, storage, parallelism: 2 });
    this.ran = [];
    const signal = new AbortController().signal;
    const { result } = await solver.solve({ target: make(new GraphBuilder()), signal }, (event) => {
      if (event.kind === 'completed') this.ran.push(event.vertex.name);
    });
    return result;
  }
}

const withRun =
  (script: string) =>
  (graph: GraphBuilder<Op>): Vertex<Op> => {
    const base = graph.add({ op: BASE, inputs: [], name: 'base' });
    const context = graph.add({ op: { kind: 'local', name: 'context' }, inputs: [], name: 'context' });
    const copied = graph.add({
      op: { kind: 'file', actions: [copyAction({ selection: from('/f'), destination: '/f' })] },
      inputs: [base, context],
      name: 'copy',
    });
    return graph.add({ op: execOp(['/bin/sh', '-c', script]), inputs: [copied], name: 'run' });
  };

test('a second build runs nothing, a changed file runs what uses it', async () => {
  await using temp = await tempDir();
  await using rig = await ExecutorRig.open();
  const builds = new Builds(rig, temp.path);
  const file = join(temp.path, 'f');
  writeFileSync(file, 'one');
  const first = await builds.build(withRun('cat /f > /g'));
  assert.ok(builds.ran.includes('run') && builds.ran.includes('copy'));
  assert.is(await rig.text({ vertex: undefined as never, result: first, identity: digestOf('') }, '/g'), 'one');

  const again = await builds.build(withRun('cat /f > /g'));
  assert.equal(again, first);
  assert.not(builds.ran.includes('run') || builds.ran.includes('copy'));
  assert.is(builds.unpacked, 1, 'a cached build does not unpack its base');

  writeFileSync(join(temp.path, 'unrelated'), 'x');
  assert.equal(await builds.build(withRun('cat /f > /g')), first, 'files that are not selected do not count');

  writeFileSync(file, 'two');
  assert.not.equal(await builds.build(withRun('cat /f > /g')), first);
  assert.ok(builds.ran.includes('run') && builds.ran.includes('copy'));

  writeFileSync(file, 'one');
  assert.equal(await builds.build(withRun('cat /f > /g')), first, 'back to what was there before');
});

test('an image that nothing reads is never unpacked', async () => {
  await using temp = await tempDir();
  await using rig = await ExecutorRig.open();
  const builds = new Builds(rig, temp.path);
  const result = await builds.build((graph) => graph.add({ op: BASE, inputs: [], name: 'base' }));
  assert.equal(result, { kind: 'image', reference: 'base', manifest: digestOf('base') });
  assert.is(builds.unpacked, 0);
});

test('a failed command is not remembered', async () => {
  await using temp = await tempDir();
  await using rig = await ExecutorRig.open();
  const builds = new Builds(rig, temp.path);
  writeFileSync(join(temp.path, 'f'), 'x');
  for (let times = 0; times < 2; times++) {
    await rejectsWith('run-failed', () => builds.build(withRun('exit 7')), /exit code: 7/);
  }
});

test('a capability alone makes a copied file another one', async () => {
  await using temp = await tempDir();
  await using rig = await ExecutorRig.open();
  const builds = new Builds(rig, temp.path);
  const files = await rig.deps.files();
  const layerWith = async (capability: string): Promise<SnapshotId> => {
    const active = await rig.snapshots.prepare();
    await using writer = files.openWriter({ kind: 'directory', path: active.upper });
    const xattrs = new Map([['security.capability', Buffer.from(capability, 'hex')]]);
    const metadata = { mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n, xattrs };
    await writer.file('/tool', metadata, { kind: 'bytes', data: Buffer.from('x') }, { existing: 'update' });
    await writer.close();
    return (await active.commit()).id;
  };
  const layers = [
    await layerWith('0100000200040000000000000000000000000000'),
    await layerWith('0100000200040000000000000000000000000000'),
    await layerWith('0100000200080000000000000000000000000000'),
  ];
  const made: BuildResult[] = [];
  for (const [index, layer] of layers.entries()) {
    builds.images.set(`tools-${index}`, layer);
    const image: Op = { ...BASE, reference: `tools-${index}`, manifest: digestOf(layer) };
    made.push(
      await builds.build((graph) => {
        const tools = graph.add({ op: image, inputs: [], name: 'tools' });
        const scratch = graph.add({ op: { kind: 'scratch' }, inputs: [], name: 'scratch' });
        const action = copyAction({ selection: from('/tool'), destination: '/tool', resetOwner: false });
        return graph.add({ op: { kind: 'file', actions: [action] }, inputs: [scratch, tools], name: 'copy' });
      }),
    );
  }
  assert.equal(made[1], made[0], 'equal capabilities are equal');
  assert.not.equal(made[2], made[0]);
});

test('a linked copy is found on another base and put on that one', async () => {
  await using temp = await tempDir();
  await using rig = await ExecutorRig.open();
  const builds = new Builds(rig, temp.path);
  writeFileSync(join(temp.path, 'f'), 'x');
  const linkOn =
    (script: string) =>
    (graph: GraphBuilder<Op>): Vertex<Op> => {
      const image = graph.add({ op: BASE, inputs: [], name: 'image' });
      const base = graph.add({ op: execOp(['/bin/sh', '-c', script]), inputs: [image], name: 'base' });
      const context = graph.add({ op: { kind: 'local', name: 'context' }, inputs: [], name: 'context' });
      const op: Op = {
        kind: 'file',
        actions: [copyAction({ selection: from('/f'), destination: '/d/f' })],
        linked: true,
      };
      const layer = graph.add({ op, inputs: [base, context], name: 'copy' });
      return graph.add({ op: { kind: 'merge' }, inputs: [base, layer], name: 'link' });
    };
  const layersOf = (result: BuildResult): readonly string[] => (result.kind === 'layers' ? result.layers : []);
  const first = layersOf(await builds.build(linkOn('mkdir -m 750 /d')));
  assert.equal(
    builds.ran.filter((name) => name !== 'context'),
    ['image', 'base', 'copy', 'link'],
  );

  const second = layersOf(await builds.build(linkOn('mkdir -m 750 /d && echo more > /d/other')));
  assert.ok(builds.ran.includes('base') && !builds.ran.includes('copy'), builds.ran.join());
  assert.is(second.at(-1), first.at(-1), 'the layer is the same');
  assert.not.equal(second.slice(0, -1), first.slice(0, -1), 'what is below it is not');

  const third = layersOf(await builds.build(linkOn('mkdir -m 700 /d')));
  assert.ok(builds.ran.includes('copy'), 'the directory that it goes into is another');
  assert.is.not(third.at(-1), first.at(-1));
});

test('equal files from another stage are equal, however the stage was made', async () => {
  await using temp = await tempDir();
  await using rig = await ExecutorRig.open();
  const builds = new Builds(rig, temp.path);
  const copyFrom =
    (script: string) =>
    (graph: GraphBuilder<Op>): Vertex<Op> => {
      const base = graph.add({ op: BASE, inputs: [], name: 'base' });
      const stage = graph.add({ op: execOp(['/bin/sh', '-c', script]), inputs: [base], name: 'stage' });
      const action = copyAction({ selection: from('/out'), destination: '/out', resetOwner: false });
      return graph.add({ op: { kind: 'file', actions: [action] }, inputs: [base, stage], name: 'copy' });
    };
  const first = await builds.build(copyFrom('echo same > /out'));
  const second = await builds.build(copyFrom('echo noise > /other; echo same > /out'));
  assert.equal(second, first);
  assert.ok(builds.ran.includes('stage'));
  assert.not(builds.ran.includes('copy'));
});

test('a named context that was not given is named', async () => {
  await using rig = await ExecutorRig.open();
  await rejectsWith('context-not-found', () => rig.local('other'), /"other"/);
});

suiteOfHandler.run();
