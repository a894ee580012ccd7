import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Files, Outcome } from '../support/e2e.ts';
import { Lab, wasCached } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';

const test = privileged(suite('what a client brings to a build, end to end'));

/** Builds and expects a failure with this exit code. */
async function fails(
  lab: Lab,
  code: number,
  dockerfile: string,
  args: readonly string[],
  files: Files = {},
): Promise<string> {
  const context = await lab.context('failing', { ...files, Dockerfile: dockerfile });
  const outcome = await lab.run(['build', ...args, context]);
  assert.is(outcome.code, code, outcome.stderr);
  return outcome.stderr;
}

/** Whether `text` is in any file of the store. */
function isInStore(lab: Lab, text: string): boolean {
  return spawnSync('grep', ['-rqF', '--', text, lab.store]).status === 0;
}

test('secrets are seen by the command that asks, and by nobody and nothing else', async () => {
  await using lab = await Lab.open();
  const secret = 'correct-horse-battery-staple';
  await writeFile(join(lab.dir, 'token'), secret);
  const dockerfile = `FROM busybox
RUN --mount=type=secret,id=token,required sha256sum /run/secrets/token > /sum
RUN --mount=type=secret,id=token,target=/etc/s,mode=0440,uid=7,gid=8 stat -c '%a %u %g' /etc/s > /stat
RUN --mount=type=secret,id=token,env=TOKEN [ -n "$TOKEN" ] && [ ! -e /run/secrets/token ] && echo yes > /env
RUN --mount=type=secret,id=other,env=OTHER echo "<$OTHER>" > /other
RUN ls /run/secrets /etc/s 2>/dev/null | wc -l > /later
`;
  const args = ['--secret', 'id=token,src=token', '--secret', 'id=other,env=VALUE'];
  const context = await lab.context('secret', { Dockerfile: dockerfile });
  const build = (env = 'v'): Promise<Outcome> =>
    lab.ok(['build', '-t', 'app', ...args, context], { env: { VALUE: env } });
  const first = await build();
  assert.not.match(first.stderr + first.stdout, secret);
  assert.is(
    await lab.sh('app', 'cut -c1-8 /sum; cat /stat /env /other /later'),
    `${execFileSync('sha256sum', [join(lab.dir, 'token')])
      .toString()
      .slice(0, 8)}\n440 7 8\nyes\n<v>\n0\n`,
  );
  assert.not.ok(isInStore(lab, secret));
  await writeFile(join(lab.dir, 'token'), 'another');
  assert.ok(wasCached(await build('w'), 'RUN ls /run/secrets'));
  assert.not.match((await lab.ok(['history', '--no-trunc', 'app'])).stdout, secret);
});

test('a secret can be a pipe, of which every step sees the same', async () => {
  await using lab = await Lab.open();
  const context = await lab.context('pipe', {
    Dockerfile:
      'FROM busybox\nRUN --mount=type=secret,id=a cat /run/secrets/a > /1\nRUN --mount=type=secret,id=a cat /run/secrets/a > /2\n',
  });
  execFileSync('mkfifo', [join(lab.dir, 'fifo')]);
  await Promise.all([
    writeFile(join(lab.dir, 'fifo'), 'piped'),
    lab.ok(['build', '-t', 'pipe', '--secret', 'id=a,src=fifo', context]),
  ]);
  assert.is(await lab.sh('pipe', 'cat /1 /2'), 'pipedpiped');
});

test('says what is wrong with a secret', async () => {
  await using lab = await Lab.open();
  const dockerfile = 'FROM busybox\nRUN --mount=type=secret,id=a,required cat /run/secrets/a\n';
  assert.match(await fails(lab, 1, dockerfile, []), /Cannot find the secret "a"[^]*--secret id=a,src=FILE/);
  assert.match(await fails(lab, 1, dockerfile, ['--secret', 'id=a,src=/no/file']), /there is no such file[^]*hint:/);
  assert.match(await fails(lab, 1, dockerfile, ['--secret', 'id=a,src=/']), /it is a directory/);
  await writeFile(join(lab.dir, 'large'), Buffer.alloc(500 * 1024 + 1));
  assert.match(await fails(lab, 5, dockerfile, ['--secret', 'id=a,src=large']), /larger than 512000 bytes/);
  await writeFile(join(lab.dir, 'large'), Buffer.alloc(500 * 1024));
  const context = await lab.context('large-enough', {
    Dockerfile: 'FROM busybox\nRUN --mount=type=secret,id=a [ $(wc -c < /run/secrets/a) = 512000 ]\n',
  });
  await lab.ok(['build', '--secret', 'id=a,src=large', context]);
});

test('named contexts stand for directories, images and stages', async () => {
  await using lab = await Lab.open();
  await lab.build('other', 'FROM busybox\nRUN echo other > /which\n');
  await lab.context('extra', { file: 'one', 'hidden.txt': 'no', '.dockerignore': '*.txt\n' });
  const dockerfile = `FROM alpine:3 AS base
FROM base AS built
RUN echo built > /which
FROM base
COPY --from=extra . /extra/
COPY --from=built /which /from-built
RUN --mount=from=extra,target=/m cat /m/file > /mounted
`;
  const contexts = ['docker.io/library/alpine:3=docker-image://other', 'extra=extra', 'Built=docker-image://other'];
  const args = contexts.flatMap((context) => ['--build-context', context]);
  await lab.build('named', dockerfile, {}, args);
  assert.is(
    await lab.sh('named', 'cat /which /from-built /mounted; ls -A /extra'),
    'other\nother\none.dockerignore\nfile\n',
  );
  assert.ok(wasCached(await lab.build('named', dockerfile, {}, args), 'cat /m/file'));
  await lab.context('extra', { 'other.txt': 'ignored' });
  assert.ok(wasCached(await lab.build('named', dockerfile, {}, args), 'COPY --from=extra'));
  await lab.context('extra', { file: 'two' });
  assert.not.ok(wasCached(await lab.build('named', dockerfile, {}, args), 'COPY --from=extra'));
});

test('an image of an OCI layout is a base', async () => {
  await using lab = await Lab.open();
  await lab.build('app:1', 'FROM busybox\nRUN echo layout > /which\n');
  const layout = join(lab.dir, 'layout');
  await mkdir(layout);
  const archive = join(lab.dir, 'app.tar');
  await lab.ok(['save', '-o', archive, 'app:1']);
  execFileSync('tar', ['-xf', archive, '-C', layout]);
  const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
    manifests: readonly { digest: string }[];
  };
  await using empty = await Lab.open({ empty: true });
  const dockerfile = 'FROM base\nRUN cat /which > /copy\n';
  for (const choice of ['', ':1', `@${manifests[0]!.digest}`]) {
    const source = `base=oci-layout://${layout}${choice}`;
    await empty.build('from-layout', dockerfile, {}, ['--build-context', source]);
    assert.is(await empty.sh('from-layout', 'cat /copy'), 'layout\n');
  }
  const refused = (source: string, code: number): Promise<string> =>
    fails(empty, code, dockerfile, ['--build-context', `base=oci-layout://${source}`]);
  assert.match(await refused(`${layout}:2`, 1), /no image in it has the tag "2"[^]*tags: "1"/);
  assert.match(await refused(empty.dir, 1), /there is no file "oci-layout"/);
  assert.match(await refused(`${layout}@sha256:${'1'.repeat(64)}`, 5), /1111/);
});

test('says what is wrong with a named context', async () => {
  await using lab = await Lab.open();
  const dockerfile = 'FROM busybox\nCOPY --from=extra a /\n';
  const refused = (source: string, code: number): Promise<string> =>
    fails(lab, code, dockerfile, ['--build-context', `extra=${source}`], { file: 'x' });
  assert.match(await refused('none', 1), /none" as the build context: there is no such directory/);
  assert.match(await refused('failing/file', 1), /it is not a directory/);
  assert.match(await refused('failing', 1), /"\/a"/);
});

test('hosts, limits and shared memory are as asked for, and only the names of hosts are in keys', async () => {
  await using lab = await Lab.open();
  const dockerfile =
    'FROM busybox\nRUN { grep db.test /etc/hosts; ulimit -n; ulimit -Hn; df -k /dev/shm | tail -1; } > /out\n';
  const args = (address: string): string[] => [
    '--add-host',
    `db.test:${address}`,
    '--add-host',
    'db.test=[fe80::1]',
    '--ulimit',
    'nofile=100:200',
    '--shm-size',
    '8m',
  ];
  await lab.build('limits', dockerfile, {}, args('10.1.2.3'));
  const [hosts, more, soft, hard, shm] = (await lab.sh('limits', 'cat /out')).split('\n');
  assert.equal([hosts, more, soft, hard], ['10.1.2.3\tdb.test', 'fe80::1\tdb.test', '100', '200']);
  assert.match(shm!, /\b8192\b/);
  assert.ok(wasCached(await lab.build('limits', dockerfile, {}, args('10.9.9.9')), 'RUN'));
  assert.not.ok(wasCached(await lab.build('limits', dockerfile, {}, args('10.9.9.9').slice(4)), 'RUN'));
});

test('a step is privileged only with the consent of the caller', async () => {
  await using lab = await Lab.open();
  const dockerfile = `FROM busybox
RUN grep CapEff /proc/self/status > /sandbox
RUN --security=insecure grep CapEff /proc/self/status > /insecure
RUN --security=insecure mkdir /m && mount -t tmpfs none /m && umount /m
`;
  assert.match(
    await fails(lab, 3, dockerfile, []),
    /Dockerfile:3:[^]*security\.insecure[^]*--allow security\.insecure/,
  );
  assert.match(await fails(lab, 3, dockerfile, ['--allow', 'network.host']), /security\.insecure/);
  await lab.build('insecure', dockerfile, {}, ['--allow', 'security.insecure']);
  assert.is(await lab.sh('insecure', 'cmp -s /sandbox /insecure; echo $?'), '1\n');
  const host = 'FROM busybox\nRUN --network=host true\n';
  assert.match(await fails(lab, 3, host, []), /network\.host[^]*--allow network\.host/);
  await lab.build('host', host, {}, ['--allow', 'network.host']);
  await lab.build('host', host, {}, ['--network', 'host']);
  assert.match(await fails(lab, 3, 'FROM busybox\nRUN --device=v.com/gpu=all true\n', []), /CDI/);
});

test('stages run anew when they are named', async () => {
  await using lab = await Lab.open();
  const dockerfile = 'FROM busybox AS a\nRUN echo a > /a\nFROM busybox\nRUN echo b > /b\nCOPY --from=a /a /\n';
  await lab.build('filter', dockerfile);
  const again = await lab.build('filter', dockerfile, {}, ['--no-cache-filter', 'A,c']);
  assert.not.ok(wasCached(again, 'RUN echo a'));
  assert.ok(wasCached(again, 'RUN echo b'));
  assert.match(again.stderr, 'No stage is called "c"');
});

test('annotations are in the manifest', async () => {
  await using lab = await Lab.open();
  await lab.build('annotated', 'FROM busybox\n', {}, ['--annotation', 'b=2', '--annotation', 'manifest:a=1']);
  const [image] = JSON.parse((await lab.ok(['inspect', 'annotated'])).stdout) as { Descriptor: { digest: string } }[];
  const hex = image!.Descriptor.digest.slice('sha256:'.length);
  const [path] = readdirSync(lab.store, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith(hex));
  const manifest = JSON.parse(readFileSync(join(lab.store, path!), 'utf8')) as { annotations: object };
  assert.equal(manifest.annotations, { a: '1', b: '2' });
});

test("proxies of Docker's configuration reach a step and no key", async () => {
  await using lab = await Lab.open();
  const dockerfile = 'FROM busybox\nRUN echo $HTTP_PROXY $http_proxy > /proxy\n';
  const context = await lab.context('proxy', { Dockerfile: dockerfile });
  const build = async (proxy: string): Promise<Outcome> => {
    await lab.context('docker', { 'config.json': JSON.stringify({ proxies: { default: { httpProxy: proxy } } }) });
    return lab.ok(['build', '-t', 'proxy', context], { env: { DOCKER_CONFIG: join(lab.dir, 'docker') } });
  };
  await build('http://one:1');
  assert.is(await lab.sh('proxy', 'cat /proxy'), 'http://one:1 http://one:1\n');
  assert.ok(wasCached(await build('http://two:2'), 'RUN echo'));
});

const TALK = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char answer[64] = {0};
  const char *path = getenv("SSH_AUTH_SOCK");
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (path == NULL)
    return 2;
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    perror(path);
    return 1;
  }
  if (write(fd, "\\0\\0\\0\\1\\13", 5) != 5 || shutdown(fd, SHUT_WR) < 0)
    return 3;
  for (ssize_t at = 0, got; (got = read(fd, answer + at, sizeof answer - 1 - at)) > 0; at += got)
    ;
  puts(answer + 4);
  return 0;
}
`;

test('an SSH agent answers a step that asks, with the mode and owner of the mount', async () => {
  await using lab = await Lab.open();
  await writeFile(join(lab.dir, 'talk.c'), TALK);
  const talk = join(lab.dir, 'talk');
  execFileSync('cc', ['-static', '-O1', '-o', talk, join(lab.dir, 'talk.c')]);
  const agent = join(lab.dir, 'agent');
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (request: Buffer) => socket.write(`\0\0\0\x10heard ${request.toString('hex')}`));
    socket.on('end', () => socket.end());
  }).listen(agent);
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const dockerfile = `FROM busybox
COPY --chmod=755 talk /
RUN --mount=type=ssh,required /talk > /answer && stat -c '%a %u %g' $SSH_AUTH_SOCK > /stat && echo $SSH_AUTH_SOCK > /path
RUN --mount=type=ssh,id=git,target=/s,mode=0666,uid=5,gid=6 stat -c '%a %u %g' /s > /own
USER 1000
RUN --mount=type=ssh,uid=1000 /talk > /tmp/user
RUN --mount=type=ssh ! /talk
RUN --mount=type=ssh,id=absent [ ! -e $SSH_AUTH_SOCK ]
`;
    const files = { talk: readFileSync(talk), Dockerfile: dockerfile };
    const context = await lab.context('ssh', files);
    const options = { env: { SSH_AUTH_SOCK: agent } };
    await lab.ok(['build', '-t', 'ssh', '--ssh', 'default', '--ssh', `git=${agent}`, context], options);
    assert.is(
      await lab.sh(
        'ssh',
        'cat /answer /stat /path /own /tmp/user; ls /run/buildkit 2>&1 | wc -l; env | grep -c SSH_AUTH; true',
      ),
      'heard 000000010b\n600 0 0\n/run/buildkit/ssh_agent.0\n666 5 6\nheard 000000010b\n1\n0\n',
    );
  } finally {
    server.close();
  }
  const dockerfile = 'FROM busybox\nRUN --mount=type=ssh,id=git,required true\n';
  assert.match(await fails(lab, 1, dockerfile, []), /Cannot find the SSH agent "git"[^]*--ssh git=SOCKET\|KEY/);
});

test.run();
