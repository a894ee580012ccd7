/** Capabilities of files, which name the root of the user namespace that set them: the layers are those of root for everyone. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EPOCH } from '../support/deterministic.ts';
import type { Files, Outcome } from '../support/e2e.ts';
import { busyboxTar, Lab, wasCached } from '../support/e2e.ts';
import { OrdinaryUser, whyNoOrdinaryUser } from '../support/ordinary-user.ts';
import { paxRecord } from '../layer/support.ts';
import type { TarItem } from '../support/tars.ts';
import { tarOf } from '../support/tars.ts';

const test = suite('file capabilities');
const why = whyNoOrdinaryUser() ?? (spawnSync('setcap', ['-h']).error && 'libcap2-bin is not installed');
if (why !== undefined) process.stderr.write(`SKIPPED: file capabilities: ${why}\n`);

const IMPORT = ['import', '-c', 'CMD ["sh"]', '-', 'busybox'];
type Tsbuild = (args: readonly string[], env: Readonly<Record<string, string>>, input?: Buffer) => Promise<Outcome>;

/** linux/capability.h, `struct vfs_ns_cap_data`: cap_net_raw=ep, of the namespace's own root or of the given one. */
function netRaw(root?: number): Buffer {
  const value = Buffer.alloc(root === undefined ? 20 : 24);
  value.writeUInt32LE(((root === undefined ? 2 : 3) << 24) | 1, 0);
  value.writeUInt32LE(1 << 13, 4);
  if (root !== undefined) value.writeUInt32LE(root, 20);
  return value;
}

function withCapability(item: TarItem, capability: Buffer): TarItem[] {
  const content = paxRecord('SCHILY.xattr.security.capability', capability);
  return [{ path: 'PaxHeader', type: 'ExtendedHeader', content }, item];
}

const CAPABLE = tarOf([
  { path: 'dev/' },
  { path: 'proc/' },
  { path: 'sys/' },
  ...withCapability({ path: 'given', mode: 0o755, content: 'given' }, netRaw()),
  ...withCapability({ path: 'lost', mode: 0o755, content: 'lost' }, netRaw()),
  // Of an owner outside of a range.
  ...withCapability({ path: 'owned', mode: 0o755, uid: 100_000, gid: 5, content: 'owned' }, netRaw()),
  // Set in a namespace whose root was another user; there may be no such user here.
  ...withCapability({ path: 'foreign', mode: 0o755, content: 'foreign' }, netRaw(1000)),
]);

/** libcap's programs with the libraries that they need, for any root filesystem. */
function tools(): Files {
  const programs = ['setcap', 'getcap'].map((name) => `/usr/sbin/${name}`);
  const { stdout } = spawnSync('ldd', programs, { encoding: 'utf8' });
  const libraries = [...new Set(stdout.match(/\/\S+(?= \(0x)/g))];
  return Object.fromEntries(
    [...programs, ...libraries].map((path) => [`tools${path}`, { text: readFileSync(path), mode: 0o755 }]),
  );
}

const touch = (...paths: readonly string[]): string => `touch -hd @1700000000 ${paths.join(' ')} /`;

const DOCKERFILE = `FROM busybox AS given
COPY tools /
ADD capable.tar /
FROM given AS capable
COPY d /d
RUN cp /d/plain /new && setcap cap_chown,cap_net_admin+ep /new && ${touch('/new')}
RUN setcap cap_net_bind_service+ep /d/plain && setcap -r /lost && mv /given /moved && chmod 700 /new && ${touch('/d', '/lost')}
RUN ln /owned /name && echo more >> /moved && ${touch('/moved')}
FROM given
COPY --from=capable /d /owned /name /foreign /new /lost /
COPY --from=capable --chown=200000:7 /new /chowned
RUN --mount=type=bind,from=capable,target=/m getcap -r /m | sort > /list && ${touch('/list')}
`;
/** Writing to `moved` took its capability away. */
const SEEN = `/m/d/host cap_net_raw=ep
/m/d/plain cap_net_bind_service=ep
/m/foreign cap_net_raw=ep
/m/name cap_net_raw=ep
/m/new cap_chown,cap_net_admin=ep
/m/owned cap_net_raw=ep
/chowned cap_chown,cap_net_admin=ep
/foreign cap_net_raw=ep
/given cap_net_raw=ep
/host cap_net_raw=ep
/name cap_net_raw=ep
/new cap_chown,cap_net_admin=ep
/owned cap_net_raw=ep
/plain cap_net_bind_service=ep
`;

/** Builds the image and the stage that it copies from; their digests. */
async function build(tsbuild: Tsbuild, dir: string, snapshotter: string): Promise<readonly string[]> {
  const env = { ...EPOCH, TSBUILD_SNAPSHOTTER: snapshotter };
  await tsbuild(IMPORT, env, busyboxTar());
  await tsbuild(['build', '-q', '-t', 'capable', '--target', 'capable', dir], env);
  await tsbuild(['build', '-q', '-t', 'app', dir], env);
  const again = await tsbuild(['build', '--progress', 'plain', dir], env);
  for (const step of ['RUN setcap', 'COPY --from=capable /d', 'RUN --mount']) assert.ok(wasCached(again, step), step);
  const list = ['run', '--rm', '--network', 'none', 'app', 'sh', '-c', 'cat /list; getcap -r / | sort'];
  assert.is((await tsbuild(list, env)).stdout, SEEN);
  const images: readonly { readonly Descriptor: { readonly digest: string } }[] = JSON.parse(
    (await tsbuild(['inspect', 'capable', 'app'], env)).stdout,
  );
  return images.map((image) => image.Descriptor.digest);
}

function rootOf(lab: Lab): Tsbuild {
  return (args, env, input) => lab.ok(args, { env, ...(input !== undefined && { input }) });
}

function userOf(user: OrdinaryUser): Tsbuild {
  return (args, env, input) => user.ok(args, { env, ...(input !== undefined && { input }) });
}

/** The context, whose times are in the layers, and what root's build of it gives. */
let contexts: Lab;
let app: string;
let expected: readonly string[];
if (why === undefined) {
  test.before(async () => {
    contexts = await Lab.open({ empty: true });
    await chmod(contexts.dir, 0o755);
    const plain = { text: 'plain', mode: 0o755 };
    app = await contexts.context('app', {
      ...tools(),
      'capable.tar': CAPABLE,
      'd/host': plain,
      'd/plain': plain,
      Dockerfile: DOCKERFILE,
    });
    assert.is(spawnSync('setcap', ['cap_net_raw+ep', join(app, 'd/host')]).status, 0);
    await using lab = await Lab.open({ empty: true });
    expected = await build(rootOf(lab), app, 'overlay');
  });
  test.after(() => contexts[Symbol.asyncDispose]());
}
function capable(name: string, body: () => Promise<void>): void {
  if (why === undefined) test(name, body);
  else test.skip(name);
}

capable('copy, as root: the digests are those of overlay', async () => {
  await using lab = await Lab.open({ empty: true });
  assert.equal(await build(rootOf(lab), app, 'copy'), expected);
});

for (const snapshotter of ['overlay', 'copy'] as const) {
  for (const ids of ['a range', 'one'] as const) {
    capable(`${snapshotter}, with ${ids} of ids: the digests are those of root`, async () => {
      await using user = await OrdinaryUser.open(ids);
      assert.equal(await build(userOf(user), app, snapshotter), expected);
      await user.isGone();
    });
  }
}

capable('with a range of ids: a program has its capability for other users', async () => {
  await using user = await OrdinaryUser.open('a range');
  const tsbuild = userOf(user);
  await tsbuild(IMPORT, EPOCH, busyboxTar());
  const text = `FROM busybox
COPY tools /
RUN cp /bin/busybox /busybox && echo x > /f && chown 1000 /f
USER 1000
RUN /busybox chown 7:8 /f || echo refused
USER 0
RUN setcap cap_chown+ep /busybox
USER 1000
RUN /busybox chown 7:8 /f && ls -n /f
`;
  await writeFile(join(app, 'other'), text);
  const { stderr } = await tsbuild(['build', '--progress', 'plain', '-f', join(app, 'other'), app], EPOCH);
  assert.match(stderr, / refused\n/);
  assert.match(stderr, / 7 +8 .* \/f\n/);
});

test.run();
