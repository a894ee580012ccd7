import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/core/digest.ts';
import { Lab, wasCached } from '../support/e2e.ts';
import { dumbGit, smartGit, TestRepository } from '../support/git-server.ts';
import { body, serve } from '../support/http-server.ts';
import { privileged } from '../support/privileged.ts';
import { tarOf } from '../support/tars.ts';

const test = privileged(suite('sources in the network, end to end'));

test('ADD asks whether a file has changed, and is cached while it has not', async () => {
  await using lab = await Lab.open({ empty: true });
  await using server = await serve({
    '/f': body('one', { etag: '"1"', 'last-modified': 'Thu, 05 May 2005 05:05:05 GMT' }),
  });
  const dockerfile = `FROM scratch\nADD ${server.url}/f /d/\n`;
  assert.not.ok(wasCached(await lab.build('a', dockerfile), 'ADD'));
  assert.ok(wasCached(await lab.build('a', dockerfile), 'ADD'));
  assert.is(server.requests.length, 2);
  assert.is(server.requests[1]?.headers['if-none-match'], '"1"');
  // The same file at another address.
  server.answers.set('/g/f', body('one', { 'last-modified': 'Thu, 05 May 2005 05:05:05 GMT' }));
  assert.ok(wasCached(await lab.build('a', dockerfile.replace('/f ', '/g/f ')), 'ADD'));
  // A later time is another file.
  server.answers.set('/f', body('one', { etag: '"2"', 'last-modified': 'Thu, 05 May 2005 05:05:06 GMT' }));
  assert.not.ok(wasCached(await lab.build('a', dockerfile), 'ADD'));
});

test('ADD with a checksum asks for nothing once it is cached', async () => {
  await using lab = await Lab.open({ empty: true });
  await using server = await serve({ '/f': body('one') });
  const dockerfile = `FROM scratch\nADD --checksum=${digestOf('one')} ${server.url}/f /d/\n`;
  await lab.build('a', dockerfile);
  assert.ok(wasCached(await lab.build('a', dockerfile), 'ADD'));
  assert.is(server.requests.length, 1);
});

test('a failing download names the line of its ADD', async () => {
  await using lab = await Lab.open({ empty: true });
  await using server = await serve({});
  const dir = await lab.context('c', { Dockerfile: `FROM scratch\n\nADD ${server.url}/f /d/\n` });
  const outcome = await lab.run(['build', dir]);
  assert.is(outcome.code, 4);
  assert.match(outcome.stderr, /Dockerfile:3: Cannot download "http:.*": the server answers 404/);
});

test('ADD of a repository follows its branch, and is cached by the commit', async () => {
  await using lab = await Lab.open({ empty: true });
  const repository = new TestRepository(join(lab.dir, 'origin'));
  repository.commit({ f: '1' });
  repository.git('tag', 'v1');
  await using server = await serve({ '/r.git/*': smartGit(repository.dir) });
  const build = (ref: string): ReturnType<Lab['build']> =>
    lab.build('a', `FROM scratch\nADD ${server.url}/r.git#${ref} /d/\n`);
  assert.not.ok(wasCached(await build('main'), 'ADD'));
  assert.ok(wasCached(await build('v1'), 'ADD'));
  repository.commit({ f: '2' });
  assert.ok(wasCached(await build('v1'), 'ADD'));
  const changed = await build('main');
  assert.not.ok(wasCached(changed, 'ADD'));
  assert.ok(existsSync(join(lab.store, 'git/repositories')));
  await lab.ok(['prune', '--all', '-f']);
  assert.not.ok(existsSync(join(lab.store, 'git')));
  await build('main');
});

test('a repository or a tar by HTTP is a context', async () => {
  await using lab = await Lab.open({ empty: true });
  const repository = new TestRepository(join(lab.dir, 'origin'));
  repository.commit({ 'sub/Dockerfile': 'FROM scratch\nCOPY f /f\n', 'sub/f': '1', 'sub/.dockerignore': 'f' });
  await using server = await serve({
    '/r.git/*': dumbGit(repository),
    '/c.tar': body(tarOf([{ path: 'Dockerfile', content: 'FROM scratch\nCOPY Dockerfile /x\n' }])),
    '/Dockerfile': body('FROM scratch\nCOPY <<E /x\nE\n'),
  });
  await lab.ok(['build', `${server.url}/r.git#main:sub`]);
  await lab.ok(['build', `${server.url}/c.tar`]);
  await lab.ok(['build', `${server.url}/Dockerfile`]);
  const dir = await lab.context('c', { Dockerfile: 'FROM scratch\nCOPY --from=other sub/f /f\n' });
  await lab.ok(['build', '--build-context', `other=${server.url}/r.git`, dir]);
  await lab.ok(['build', '-f', `${server.url}/Dockerfile`, dir]);
});

test('a link in a repository shows no file of the machine', async () => {
  await using lab = await Lab.open({ empty: true });
  const repository = new TestRepository(join(lab.dir, 'origin'));
  symlinkSync('/etc/passwd', join(repository.dir, 'Dockerfile'));
  repository.commit({ f: '1' });
  await using server = await serve({ '/r.git/*': smartGit(repository.dir) });
  const outcome = await lab.run(['build', `${server.url}/r.git`]);
  assert.is(outcome.code, 3);
  assert.match(outcome.stderr, 'Cannot find the Dockerfile');
  assert.not.match(outcome.stderr, 'root:');
});

test.run();
