import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../../src/core/digest.ts';
import { BuildError, formatError } from '../../../src/core/errors.ts';
import { compile } from '../../../src/frontend/build.ts';
import { parseDockerfile } from '../../../src/parser/parse.ts';
import type { Op } from '../../../src/solver/op.ts';
import type { Vertex } from '../../../src/solver/types.ts';
import { testOptions } from '../bases.ts';

const test = suite('ADD of remote sources');

/** The vertex of an ADD in an empty image. */
async function add(line: string): Promise<Vertex<Op>> {
  const { root } = await compile(
    parseDockerfile({ name: 'Dockerfile', text: `FROM scratch\n${line}\n` }),
    testOptions({}),
  );
  return root;
}

const SUM = digestOf('x');
const COMMIT = '0123456789'.repeat(4);

const OPS: readonly (readonly [string, unknown])[] = [
  ['ADD http://h/a/b.txt?x=1 /d/', { kind: 'http', url: 'http://h/a/b.txt?x=1', filename: 'b.txt' }],
  ['ADD http://h/ /d', { kind: 'http', url: 'http://h/', filename: '__unnamed__' }],
  [`ADD --checksum=${SUM} http://h/b /d/`, { kind: 'http', url: 'http://h/b', filename: 'b', checksum: SUM }],
  ['ADD https://h/r.git /d', { kind: 'git', remote: 'https://h/r.git', keepGitDir: false, submodules: true }],
  [
    `ADD --keep-git-dir --checksum=${COMMIT} git@h:r#v1:s /d`,
    { kind: 'git', remote: 'git@h:r', ref: 'v1', subdir: 's', checksum: COMMIT, keepGitDir: true, submodules: true },
  ],
  [
    `ADD --checksum=${COMMIT} https://h/r.git?submodules=false /d`,
    { kind: 'git', remote: 'https://h/r.git', ref: COMMIT, checksum: COMMIT, keepGitDir: false, submodules: false },
  ],
  [
    'ADD --keep-git-dir=false https://h/r.git?keep-git-dir=true /d',
    { kind: 'git', remote: 'https://h/r.git', keepGitDir: false, submodules: true },
  ],
];
for (const [line, op] of OPS) {
  test(`${line} fetches what it names`, async () => {
    const { inputs, op: file } = await add(line);
    assert.equal(inputs[1]?.op, op);
    assert.equal(
      inputs[1]?.locations.map(({ start }) => start.line),
      [2],
    );
    if (file.kind !== 'file' || file.actions[0]?.kind !== 'copy') throw new Error('no copy');
    assert.is(file.actions[0].unpack, false);
  });
}

test('a download is unpacked only if that is asked for', async () => {
  const { op } = await add('ADD --unpack=true http://h/a.tar /d/');
  assert.ok(op.kind === 'file' && op.actions[0]?.kind === 'copy' && op.actions[0].unpack);
});

test('names of steps and messages do not show passwords', async () => {
  const { inputs } = await add('ADD http://u:secret@h/b /d/');
  assert.not.match(inputs[1]?.name ?? '', 'secret');
});

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['ADD http://h/ /d/', 'invalid-argument', /Cannot ADD "http:\/\/h\/" to a directory: its path has no file name/],
  ['ADD --checksum=sha256:1 http://h/b /d/', 'invalid-flag', /"sha256:1" is not "sha256:" and 64/],
  [`ADD --checksum=${SUM} http://h/b http://h/c /d/`, 'invalid-flag', /given for one source, and there are several/],
  [`ADD --checksum=${SUM} a /d/`, 'invalid-flag', /local sources/],
  [`ADD --checksum=${SUM} https://h/r.git /d/`, 'invalid-flag', /is not a commit/],
  [`ADD --checksum=${COMMIT} https://h/r.git?checksum=fffffff /d/`, 'invalid-flag', /the URL says "fffffff"/],
  ['ADD --keep-git-dir http://h/b /d/', 'invalid-flag', /--keep-git-dir: no source is a repository/],
  ['ADD https://h/r.git#a..b /d/', 'invalid-argument', /"a\.\.b" is not a name that git allows/],
  ['ADD https://h/r.git#a:../b /d/', 'path-escape', /outside of the repository/],
  ['COPY git@h:r.git /d/', 'invalid-argument', /only ADD takes URLs and repositories/],
];
for (const [line, code, message] of REFUSED) {
  test(`${line} is refused at its line`, async () => {
    try {
      await add(line);
    } catch (error) {
      assert.instance(error, BuildError);
      assert.is((error as BuildError).code, code);
      assert.match(formatError(error as BuildError), message);
      return assert.match(formatError(error as BuildError), /^Dockerfile:2: /);
    }
    assert.unreachable('nothing was thrown');
  });
}

test.run();
