/** Builds and runs whose containers another OCI runtime makes. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BIN, busyboxTar, Lab, wasCached } from '../support/e2e.ts';
import { EXTERNAL_NAMES, hasExternal } from '../support/external-runtimes.ts';
import { privileged } from '../support/privileged.ts';
import { until } from '../native/until.ts';

const test = privileged(suite('--oci-runtime'));
const EPOCH = { SOURCE_DATE_EPOCH: '1700000000' };
const IMPORT = ['import', '-c', 'CMD ["sh"]', '-', 'busybox'];

const FILES = {
  Dockerfile: `FROM busybox AS one
RUN --mount=type=secret,id=s --mount=type=cache,target=/cache --mount=type=tmpfs,target=/t \\
  mkdir -p /made/deep && cat /run/secrets/s > /made/own && echo x > /cache/x && echo x > /t/x && chmod 4755 /made/own
USER 1000:1001
WORKDIR /made/deep/further
USER root
RUN chown 1000 .. && ln -s ../own l && mknod fifo p && rm /bin/vi
USER 1000
RUN --network=none id -u > ../w && hostname >> ../w && grep Cap /proc/self/status >> ../w && test ! -e /run/secrets
USER root
RUN find /made /bin -exec touch -hd @1700000000 {} +
FROM busybox
COPY --from=one /made /bin /all/
`,
};

for (const name of EXTERNAL_NAMES) {
  const isHere = process.getuid?.() === 0 && (await hasExternal(name));
  const on = (title: string, body: (lab: Lab) => Promise<void>): void => {
    const run = async (): Promise<void> => {
      await using lab = await Lab.open({ empty: true });
      await lab.ok(IMPORT, { input: busyboxTar(), env: EPOCH });
      await body(lab);
    };
    if (isHere) test(`${name}: ${title}`, run);
    else test.skip(`${name}: ${title}`);
  };

  on('a deterministic build has the digest that it has with the native runtime, and shares its cache', async (lab) => {
    const dir = await lab.context('app', FILES);
    writeFileSync(join(lab.dir, 'secret'), 'hidden');
    const build = ['build', '--progress', 'plain', '--secret', 'id=s,src=secret', '-t'];
    const digest = async (image: string): Promise<unknown> =>
      JSON.parse((await lab.ok(['inspect', image])).stdout)[0].Descriptor.digest;
    await lab.ok([...build, 'other', '--oci-runtime', name, dir], { env: EPOCH });
    assert.ok(wasCached(await lab.ok([...build, 'again', dir], { env: EPOCH }), 'RUN chown'));
    await lab.ok([...build, 'own', '--no-cache', dir], { env: EPOCH });
    assert.is(await digest('other'), await digest('own'));
  });

  on('a failed step, a run, a terminal', async (lab) => {
    const dir = await lab.context('bad', { Dockerfile: 'FROM busybox\nRUN echo said; exit 3\n' });
    const failed = await lab.run(['build', '--progress', 'plain', dir], { env: { TSBUILD_OCI_RUNTIME: name } });
    assert.is(failed.code, 1);
    assert.match(failed.stderr, /said[\s\S]*exit code: 3/);
    const run = ['run', '--rm', '--oci-runtime', name];
    assert.is(
      (await lab.run([...run, '-i', 'busybox', 'sh', '-c', 'cat; exit 4'], { input: 'given' })).stdout,
      'given',
    );
    assert.is((await lab.run([...run, 'busybox', 'sh', '-c', 'exit 4'])).code, 4);
    assert.is((await lab.run([...run, 'busybox', 'no-such'])).code, 127);
    assert.match(
      (await lab.ok([...run, '-t', 'busybox', 'sh', '-c', 'tty; test -t 1 && echo terminal'])).stdout,
      /pts\/0\r\nterminal/,
    );
    assert.match((await lab.run([...run, '--init', 'busybox', 'true'])).stderr, /"--init" with "--oci-runtime"/);
  });

  on('a build that is killed leaves nothing', async (lab) => {
    const mark = `${6_000_000 + process.pid}.${name.length}`;
    const dir = await lab.context('long', { Dockerfile: `FROM busybox\nRUN echo "it"" runs"; sleep ${mark}\n` });
    const child = spawn(BIN, ['build', '--progress', 'plain', '--oci-runtime', name, dir], {
      env: { ...process.env, TSBUILD_ROOT: lab.store },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    const closed = new Promise((resolve) => child.once('close', resolve));
    await until('the command runs', () => output.includes('it runs'));
    child.kill('SIGKILL');
    await closed;
    await until(
      'its processes are gone',
      () => !commandLines().some((line) => line.includes(mark) || line.includes(lab.store)),
    );
    assert.not.match(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(lab.dir));
  });
}

test('a runtime that cannot be called is an error that says what to do', async () => {
  await using lab = await Lab.open({ empty: true });
  const dir = await lab.context('app', { Dockerfile: 'FROM scratch\n' });
  const cases = [
    ['no-such-runtime', 'it is not in $PATH'],
    ['./none', 'there is no such file'],
    ['app/Dockerfile', 'the file is not executable'],
    ['/bin/false', '"--version" fails'],
  ] as const;
  for (const [name, why] of cases) {
    const { code, stderr } = await lab.run(['build', '--oci-runtime', name, dir]);
    assert.is(code, 2, stderr);
    assert.ok(
      stderr.includes(why) && stderr.includes('"--oci-runtime"') && stderr.includes('install the package'),
      stderr,
    );
  }
});

function commandLines(): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')] : [];
    } catch {
      return [];
    }
  });
}

test.run();
