import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';

const test = privileged(suite('images, end to end'));

/** Lets the container of a test go on. */
let prunedWhileUp: (() => void) | undefined;

const DOCKERFILE = `
FROM busybox
RUN mkdir /d && echo one > /d/one && ln /d/one /d/two && ln -s one /d/link && mkfifo /d/pipe && chown 12:34 /d/two && chmod 4755 /d/one
RUN rm /etc/shadow && rm -r /home && mkdir /home && touch /home/new
LABEL a="b c"
ENV X=1
EXPOSE 80/tcp
CMD ["cat", "/d/one"]
`;

async function inspect(
  lab: Lab,
  name: string,
): Promise<{ Id: string; RootFS: { Layers: string[] }; RepoTags: string[]; Config: { Cmd: string[] } }> {
  const [image] = JSON.parse((await lab.ok(['inspect', name])).stdout) as never[];
  if (image === undefined) throw new Error(`nothing under ${name}`);
  return image;
}

/** What a container sees, in full. */
const SURVEY =
  'find / -xdev -path /proc -prune -o -path /sys -prune -o -path /dev -prune -o -exec stat -c "%n %a %u:%g %h %F %s" {} + | grep -v "^/etc/\\(hosts\\|hostname\\|resolv.conf\\)" | grep -v "^/ "| sort';

test('save and load keep the image: its ID, its files and its names', async () => {
  await using lab = await Lab.open();
  await lab.build('app', DOCKERFILE);
  await lab.ok(['tag', 'app', 'example.com:5000/team/app:v1']);
  const archive = join(lab.dir, 'app.tar');
  await lab.ok(['save', '-o', archive, 'app', 'example.com:5000/team/app:v1']);
  await using other = await Lab.open({ empty: true });
  const loaded = await other.ok(['load', '-i', archive]);
  assert.match(loaded.stdout, /app:latest/);
  assert.is((await inspect(other, 'app')).Id, (await inspect(lab, 'app')).Id);
  assert.equal((await inspect(other, 'app')).RepoTags.sort(), ['app:latest', 'example.com:5000/team/app:v1']);
  assert.is(await other.sh('app', SURVEY), await lab.sh('app', SURVEY));
  assert.is((await other.ok(['run', '--rm', 'app'])).stdout, 'one\n');
  const again = join(lab.dir, 'again.tar');
  await other.ok(['save', '-o', again, 'app', 'example.com:5000/team/app:v1']);
  assert.ok((await readFile(again)).equals(await readFile(archive)), 'saving again gives the same bytes');
});

test('an archive is also an OCI layout, packed or unpacked', async () => {
  await using lab = await Lab.open();
  await lab.build('app', DOCKERFILE);
  const archive = join(lab.dir, 'app.tar');
  await lab.ok(['save', '-o', archive, 'app']);
  const layout = join(lab.dir, 'layout');
  await mkdir(layout);
  assert.is(spawnSync('tar', ['-xf', archive, '-C', layout]).status, 0);
  await using other = await Lab.open({ empty: true });
  await other.ok(['load', '-i', layout]);
  assert.is((await other.ok(['images', '-q', '--no-trunc'])).stdout.trim(), (await inspect(lab, 'app')).Id);
});

test('import takes a compressed root file system, sets the configuration, and the image runs', async () => {
  await using lab = await Lab.open();
  const tree = join(lab.dir, 'tree');
  await lab.ok([
    'run',
    '--rm',
    '-v',
    `${tree}:/out`,
    'busybox',
    'sh',
    '-c',
    'mkdir /out/bin && cp /bin/busybox /out/bin/sh',
  ]);
  const archive = join(lab.dir, 'tree.tar.gz');
  assert.is(spawnSync('tar', ['-czf', archive, '-C', tree, '.']).status, 0);
  await lab.ok([
    'import',
    '-c',
    'CMD ["sh", "-c", "echo $HELLO"]',
    '-c',
    'ENV HELLO=imported',
    '-m',
    'by hand',
    archive,
    'mine:1',
  ]);
  assert.is((await lab.ok(['run', '--rm', 'mine:1'])).stdout, 'imported\n');
  assert.match((await lab.ok(['history', 'mine:1'])).stdout, /by hand/);
});

test('images, tag, rmi and history', async () => {
  await using lab = await Lab.open();
  await lab.build('app', DOCKERFILE);
  await lab.ok(['tag', 'app', 'app:two']);
  const listed = (await lab.ok(['images'])).stdout;
  assert.match(listed, /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE/);
  assert.match(listed, /^app +two +[0-9a-f]{12} /m);
  const history = (await lab.ok(['history', '--no-trunc', 'app'])).stdout;
  assert.match(history, /CMD \["cat" "\/d\/one"\]/);
  assert.match(history, /RUN \/bin\/sh -c rm \/etc\/shadow .* # buildkit/);
  const untagged = (await lab.ok(['rmi', 'app:two'])).stdout;
  assert.match(untagged, /Untagged: app:two/);
  assert.not.match(untagged, /Deleted/);
  assert.match((await lab.ok(['rmi', 'app'])).stdout, /Deleted: sha256:/);
  assert.is.not((await lab.run(['inspect', 'app'])).code, 0);
  assert.match((await lab.run(['tag', 'app', 'x'])).stderr, /app/);
});

test('an image that a container uses stays, whatever is removed and pruned', async () => {
  await using lab = await Lab.open();
  await lab.build('app', 'FROM busybox\nRUN echo kept > /file\n');
  await lab.ok(['run', '--name', 'user', 'app', 'true']);
  const refused = await lab.run(['rmi', 'app']);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /container "user" uses it/);
  assert.not.match((await lab.ok(['rmi', '-f', 'app'])).stdout, /Deleted/);
  const id = (await lab.ok(['images', '-q'])).stdout.split('\n')[0] ?? '';
  assert.is(await lab.sh(id, 'cat /file'), 'kept\n');
  await lab.ok(['rm', 'user']);
  await lab.ok(['prune', '-f']);
  assert.is.not((await lab.run(['inspect', id])).code, 0);
});

test('prune -a beside a running container takes nothing from it', async () => {
  await using lab = await Lab.open();
  await lab.build('app', 'FROM busybox\nRUN echo kept > /file\n');
  const running = lab.run(['run', '--rm', '-i', '--name', 'user', 'app', 'sh', '-c', 'echo up; read line; cat /file'], {
    input: new Promise((resolve) => {
      prunedWhileUp = () => resolve('go\n');
    }),
  });
  while (!/\bUp\b/.test((await lab.ok(['ps'])).stdout)) await new Promise((resolve) => setTimeout(resolve, 20));
  await lab.ok(['prune', '-a', '-f']);
  prunedWhileUp?.();
  assert.is((await running).stdout, 'up\nkept\n');
});

test('the context may be a tar on standard input, and so may the Dockerfile', async () => {
  await using lab = await Lab.open();
  const dir = await lab.context('ctx', {
    Dockerfile: 'FROM busybox\nCOPY a /a\n',
    a: 'from a tar\n',
    'other.Dockerfile': 'FROM busybox\nRUN echo other > /a\n',
  });
  const tar = spawnSync('tar', ['-czf', '-', '-C', dir, '.']).stdout;
  await lab.ok(['-t', 'tarred', '-'], { input: tar });
  assert.is(await lab.sh('tarred', 'cat /a'), 'from a tar\n');
  await lab.ok(['-t', 'chosen', '-f', 'other.Dockerfile', '-'], { input: tar });
  assert.is(await lab.sh('chosen', 'cat /a'), 'other\n');
  await lab.ok(['-t', 'alone', '-'], { input: 'FROM busybox\nRUN echo alone > /a\n' });
  assert.is(await lab.sh('alone', 'cat /a'), 'alone\n');
  await lab.ok(['-t', 'piped', '-f', '-', dir], { input: 'FROM busybox\nCOPY a /b\n' });
  assert.is(await lab.sh('piped', 'cat /b'), 'from a tar\n');
});

test('layer digests do not depend on how often or where an image is built', async () => {
  await using lab = await Lab.open();
  await using other = await Lab.open();
  const dockerfile = 'FROM busybox\nCOPY tree /tree\n';
  const files = { 'tree/a': 'a', 'tree/b/c': 'c' };
  await lab.build('app', dockerfile, files);
  await other.build('app', dockerfile, files);
  const spawned = spawnSync('cp', ['-a', `${join(lab.dir, 'app')}/.`, join(other.dir, 'app')]);
  assert.is(spawned.status, 0);
  await other.ok(['-t', 'app', '--no-cache', join(other.dir, 'app')]);
  const [mine, theirs] = [await inspect(lab, 'app'), await inspect(other, 'app')];
  assert.is(mine.RootFS.Layers.length, 2);
  assert.is(mine.RootFS.Layers[0], theirs.RootFS.Layers[0]);
  await writeFile(join(lab.dir, 'done'), '');
});

test.run();
