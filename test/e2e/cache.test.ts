import { appendFile, chmod, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Outcome } from '../support/e2e.ts';
import { Lab, wasCached } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';

const test = privileged(suite('cache, end to end'));

const DOCKERFILE = `
FROM busybox AS left
WORKDIR /w
COPY left.txt ./
RUN cat left.txt > l && cat /proc/sys/kernel/random/uuid > uuid
FROM busybox AS right
COPY right.txt /
RUN cat /right.txt > /r && cat /proc/sys/kernel/random/uuid > /uuid
FROM busybox
COPY --from=left /w/l /
COPY --from=right /r /
RUN cat /l /r > /all
`;

const FILES = { 'left.txt': 'left\n', 'right.txt': 'right\n' };

function imageId(outcome: Outcome): string {
  const found = /sha256:[0-9a-f]{64}/.exec(outcome.stdout + outcome.stderr);
  if (!found) throw new Error(`no image ID in ${outcome.stderr}`);
  return found[0];
}

async function idOf(lab: Lab, name: string): Promise<string> {
  const [image] = JSON.parse((await lab.ok(['inspect', name])).stdout) as { Id: string }[];
  return image?.Id ?? '';
}

test('a second build finds every step and makes the same image', async () => {
  await using lab = await Lab.open();
  const first = await lab.build('app', DOCKERFILE, FILES);
  const id = await idOf(lab, 'app');
  for (const step of ['RUN cat left.txt', 'RUN cat /right.txt', 'RUN cat /l /r']) assert.not.ok(wasCached(first, step));
  const second = await lab.ok(['build', '-t', 'app', join(lab.dir, 'app')]);
  for (const step of [
    'COPY left.txt',
    'RUN cat left.txt',
    'COPY right.txt',
    'RUN cat /right.txt',
    'COPY --from=left',
    'RUN cat /l /r',
  ]) {
    assert.ok(wasCached(second, step), step);
  }
  assert.is(await idOf(lab, 'app'), id);
  assert.is(await lab.sh('app', 'cat /all'), 'left\nright\n');
});

test('a linked copy follows its base without being carried out again', async () => {
  await using lab = await Lab.open();
  const dockerfile = (more: string): string =>
    `FROM busybox\nRUN mkdir -p -m 700 /real && ln -s real /d${more}\nCOPY --link f /d/\nRUN cat /d/f /more > /all; true\n`;
  await lab.build('app', dockerfile(''), { f: 'linked\n' });
  const second = await lab.build('app', dockerfile(' && echo more > /more'), { f: 'linked\n' });
  assert.not.ok(wasCached(second, 'RUN mkdir'));
  assert.ok(wasCached(second, '] COPY --link f'));
  assert.not.ok(wasCached(second, 'RUN cat'));
  assert.is(await lab.sh('app', 'cat /all; readlink /d; stat -c %a /real'), 'linked\nmore\nreal\n700\n');
});

test('the same linked copy again and again is one layer in several places', async () => {
  await using lab = await Lab.open();
  const again = 'COPY --link f /d/\n'.repeat(4);
  await lab.build('app', `FROM busybox\n${again}COPY --link f /e/\nCOPY f /g\nRUN cat /d/f /e/f /g > /all\n`, {
    f: 'x\n',
  });
  assert.is(await lab.sh('app', 'cat /all'), 'x\nx\nx\n');
});

test('a changed file executes what uses it and nothing else', async () => {
  await using lab = await Lab.open();
  await lab.build('app', DOCKERFILE, FILES);
  await writeFile(join(lab.dir, 'app/right.txt'), 'RIGHT\n');
  const changed = await lab.ok(['build', '-t', 'app', join(lab.dir, 'app')]);
  assert.ok(wasCached(changed, 'RUN cat left.txt'));
  assert.ok(wasCached(changed, 'COPY --from=left'));
  assert.not.ok(wasCached(changed, 'COPY right.txt'));
  assert.not.ok(wasCached(changed, 'RUN cat /right.txt'));
  assert.not.ok(wasCached(changed, 'COPY --from=right'));
  assert.not.ok(wasCached(changed, 'RUN cat /l /r'));
  assert.is(await lab.sh('app', 'cat /all'), 'left\nRIGHT\n');
});

test('a file that was touched, or that nothing uses, executes nothing', async () => {
  await using lab = await Lab.open();
  await lab.build('app', DOCKERFILE, FILES);
  const id = await idOf(lab, 'app');
  await utimes(join(lab.dir, 'app/left.txt'), new Date(), new Date());
  await writeFile(join(lab.dir, 'app/other.txt'), 'not used\n');
  const again = await lab.ok(['build', '-t', 'app', join(lab.dir, 'app')]);
  for (const step of ['COPY left.txt', 'RUN cat left.txt', 'RUN cat /l /r']) assert.ok(wasCached(again, step), step);
  assert.is(await idOf(lab, 'app'), id);
});

test('a changed mode is a change', async () => {
  await using lab = await Lab.open();
  await lab.build('app', DOCKERFILE, FILES);
  await chmod(join(lab.dir, 'app/left.txt'), 0o600);
  const changed = await lab.ok(['build', '-t', 'app', join(lab.dir, 'app')]);
  assert.not.ok(wasCached(changed, 'COPY left.txt'));
  assert.ok(wasCached(changed, 'RUN cat /right.txt'));
});

test('a stage that made the same file again lets the COPY from it hit', async () => {
  await using lab = await Lab.open();
  await lab.build('app', DOCKERFILE, FILES);
  await appendFile(join(lab.dir, 'app/left.txt'), '');
  const dockerfile = DOCKERFILE.replace('RUN cat left.txt > l', 'RUN true && cat left.txt > l');
  await writeFile(join(lab.dir, 'app/Dockerfile'), dockerfile);
  const again = await lab.ok(['build', '-t', 'app', join(lab.dir, 'app')]);
  assert.not.ok(wasCached(again, 'RUN true && cat left.txt'));
  assert.ok(wasCached(again, 'COPY --from=left'));
  assert.ok(wasCached(again, 'RUN cat /l /r'));
});

test('labels, commands and ports invalidate no step; build arguments invalidate what follows them', async () => {
  await using lab = await Lab.open();
  const dockerfile = (label: string) => `
FROM busybox
LABEL version=${label}
EXPOSE 80
RUN echo early > /early
ARG LEVEL=1
RUN echo "late $LEVEL" > /late
CMD ["cat", "/${label}"]
`;
  await lab.build('app', dockerfile('one'));
  await writeFile(join(lab.dir, 'app/Dockerfile'), dockerfile('two'));
  const relabelled = await lab.ok(['build', '-t', 'app', join(lab.dir, 'app')]);
  assert.ok(wasCached(relabelled, 'RUN echo early'));
  assert.ok(wasCached(relabelled, 'RUN echo "late'));
  const levelled = await lab.ok(['build', '-t', 'app', '--build-arg', 'LEVEL=2', join(lab.dir, 'app')]);
  assert.ok(wasCached(levelled, 'RUN echo early'));
  assert.not.ok(wasCached(levelled, 'RUN echo "late'));
  assert.is(await lab.sh('app', 'cat /late'), 'late 2\n');
});

test('--no-cache executes everything, and what it made is found afterwards', async () => {
  await using lab = await Lab.open();
  await lab.build('app', DOCKERFILE, FILES);
  const before = await lab.sh('app', 'cat /all');
  const anew = await lab.ok(['build', '-t', 'app', '--no-cache', join(lab.dir, 'app')]);
  for (const step of ['RUN cat left.txt', 'RUN cat /right.txt', 'RUN cat /l /r']) assert.not.ok(wasCached(anew, step));
  assert.is(await lab.sh('app', 'cat /all'), before);
  const third = await lab.ok(['build', '-t', 'app', join(lab.dir, 'app')]);
  assert.ok(wasCached(third, 'RUN cat /l /r'));
});

test('a failed step is not remembered, and those before it are', async () => {
  await using lab = await Lab.open();
  const dir = await lab.context('app', { Dockerfile: 'FROM busybox\nRUN echo kept > /kept\nRUN cat /missing\n' });
  assert.is((await lab.run(['build', '-t', 'app', dir])).code, 1);
  const again = await lab.run(['build', '-t', 'app', dir]);
  assert.is(again.code, 1);
  assert.ok(wasCached(again, 'RUN echo kept'));
  assert.not.ok(wasCached(again, 'RUN cat /missing'));
});

test('two processes build on one store at the same time', async () => {
  await using lab = await Lab.open();
  const dir = await lab.context('app', { ...FILES, Dockerfile: DOCKERFILE });
  const both = await Promise.all([1, 2, 3].map((n) => lab.run(['build', '-t', `app${n}`, dir])));
  for (const outcome of both) assert.is(outcome.code, 0, outcome.stderr);
  for (const n of [1, 2, 3]) assert.is(await lab.sh(`app${n}`, 'cat /all'), 'left\nright\n');
  const next = await lab.ok(['build', '-t', 'app', dir]);
  assert.ok(wasCached(next, 'RUN cat /l /r'));
});

test('prune removes what no name needs, and the next build is right', async () => {
  await using lab = await Lab.open();
  await lab.build('app', DOCKERFILE, FILES);
  await lab.ok(['prune', '-f']);
  assert.is(await lab.sh('app', 'cat /all'), 'left\nright\n');
  await lab.ok(['rmi', 'app']);
  await lab.ok(['prune', '-f']);
  const again = await lab.ok(['build', '-t', 'app', join(lab.dir, 'app')]);
  assert.not.ok(wasCached(again, 'RUN cat left.txt'));
  assert.is(await lab.sh('app', 'cat /all'), 'left\nright\n');
  await rm(join(lab.dir, 'app'), { recursive: true });
});

test('--quiet prints the image ID alone, and --iidfile writes it', async () => {
  await using lab = await Lab.open();
  const dir = await lab.context('app', { Dockerfile: 'FROM busybox\nRUN echo noise\n' });
  const quiet = await lab.ok(['-q', '-t', 'app', '--iidfile', join(lab.dir, 'iid'), dir]);
  const id = await idOf(lab, 'app');
  assert.is(quiet.stdout, `${id}\n`);
  assert.is(quiet.stderr, '');
  assert.is(await import('node:fs').then((fs) => fs.readFileSync(join(lab.dir, 'iid'), 'utf8')), id);
  assert.is(imageId(quiet), id);
});

test.run();
