import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { etcFiles, reachableResolvConf } from '../../src/container/etc-files.ts';
import { newContainerId, randomName } from '../../src/container/identity.ts';
import { containerArgs, containerEnv, containerSpec } from '../../src/container/spec.ts';
import { BuildError } from '../../src/core/errors.ts';
import { fakeMachine, image, request } from './rig.ts';

const test = suite('container spec');

for (const [what, config, asked, want] of [
  ["the image's CMD", { Cmd: ['sh', '-c', 'x'] }, {}, ['sh', '-c', 'x']],
  ['ENTRYPOINT and CMD', { Entrypoint: ['/e'], Cmd: ['a'] }, {}, ['/e', 'a']],
  ['a command in place of CMD', { Entrypoint: ['/e'], Cmd: ['a'] }, { command: ['b', 'c'] }, ['/e', 'b', 'c']],
  ['an entrypoint, which clears CMD', { Entrypoint: ['/e'], Cmd: ['a'] }, { entrypoint: '/x y' }, ['/x y']],
  ['an entrypoint with a command', { Cmd: ['a'] }, { entrypoint: '/x', command: ['b'] }, ['/x', 'b']],
  ['no entrypoint', { Entrypoint: ['/e'], Cmd: ['a'] }, { entrypoint: '', command: ['b'] }, ['b']],
] as const) {
  test(`runs ${what}`, () => {
    assert.equal(containerArgs('app', config, { command: [], ...asked }), [...want]);
  });
}

test('does not run nothing', () => {
  for (const asked of [{ command: [] }, { command: [], entrypoint: '' }]) {
    assert.throws(
      () => containerArgs('app', { Cmd: null, ...(asked.entrypoint === '' && { Entrypoint: ['/e'] }) }, asked),
      (error: unknown) => error instanceof BuildError && error.code === 'usage',
    );
  }
});

test('orders variables as Docker does, the last of equal ones wins', () => {
  const config = { Env: ['PATH=/image', 'A=image', 'B=image', 'GONE=image'] };
  const env = ['B=one', 'C=x=y', 'B=two', 'GONE', 'EMPTY='];
  assert.equal(containerEnv(config, { env, tty: true }, 'box'), [
    'PATH=/image',
    'HOSTNAME=box',
    'TERM=xterm',
    'B=two',
    'C=x=y',
    'EMPTY=',
    'A=image',
  ]);
  assert.equal(containerEnv({}, { env: [], tty: false }, 'box'), [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOSTNAME=box',
  ]);
});

const PATHS = { upper: '/u', work: '/w', etcFiles: { hosts: '/h', resolvConf: '/r', hostname: '/n' } };

test('takes user and directory from the request, then from the image', () => {
  const spec = (asked: Parameters<typeof request>[0]) =>
    containerSpec('id', image({ User: 'app', WorkingDir: 'srv/./x' }), request(asked), 'box', [], PATHS);
  assert.equal([spec({}).user, spec({}).cwd, spec({}).cwdOwner], ['app', '/srv/x', 'root']);
  assert.equal(
    [spec({ user: '1:2', workdir: '/w/..' }).user, spec({ user: '1:2', workdir: '/w/..' }).cwd],
    ['1:2', '/'],
  );
  const plain = containerSpec('id', image(), request({ remove: true, tty: true, network: 'host' }), 'box', [], PATHS);
  assert.equal(plain.rootfs, {
    kind: 'overlay',
    lower: ['/layers/1', '/layers/2'],
    upper: '/u',
    work: '/w',
    volatile: true,
  });
  assert.equal(
    [plain.user, plain.cwd, plain.terminal, plain.network, plain.insecure, plain.removeStubs],
    ['', '/', true, 'host', false, false],
  );
  assert.equal(plain.etcFiles, { hosts: '/h', resolvConf: '/r', hostname: '/n', readonly: false });
});

test("resolves names as the host does on the host's network", async () => {
  const machine = fakeMachine();
  assert.equal(await etcFiles('box', { network: 'host', extraHosts: [{ name: 'x', address: '10.3.3.3' }] }, machine), {
    hosts: '127.0.0.1 localhost\n10.0.0.1 db\n10.3.3.3\tx\n127.0.1.1\tbox\n',
    resolvConf: 'search lan\nnameserver 127.0.0.53\n',
    hostname: 'box\n',
  });
});

const NONE = { network: 'none', extraHosts: [] } as const;

test('leaves the line of the address on the bridge to the runtime, as the last one', async () => {
  const asked = { network: 'bridge', extraHosts: [{ name: 'db', address: '10.3.3.3' }] } as const;
  const { hosts } = await etcFiles('box', asked, fakeMachine());
  assert.match(hosts, /\nff02::2\tip6-allrouters\n10\.3\.3\.3\tdb\n$/);
  const spec = containerSpec('id', image(), request({ network: 'bridge' }), 'box', [], PATHS);
  assert.equal(
    [spec.network, spec.networkRole, spec.etcFiles],
    ['bridge', 'service', { hosts: '/h', resolvConf: '/r', hostname: '/n', readonly: false, ownName: 'box' }],
  );
});

test("keeps the host's names to itself without its network", async () => {
  const machine = fakeMachine();
  const files = await etcFiles('box', NONE, machine);
  assert.match(files.hosts, /^127\.0\.0\.1\tlocalhost\n/);
  assert.match(files.hosts, /\n127\.0\.0\.1\tbox\n$/);
  assert.not.match(files.hosts, 'db');
  assert.is(files.resolvConf, 'search lan\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n');
  machine.files.set('/run/systemd/resolve/resolv.conf', 'nameserver 10.1.1.1\n');
  assert.is((await etcFiles('box', NONE, machine)).resolvConf, 'nameserver 10.1.1.1\n');
});

test('drops name servers that only the host can reach', () => {
  assert.is(
    reachableResolvConf('nameserver 127.0.0.1\nnameserver 10.0.0.2\nnameserver ::1\noptions ndots:0'),
    'nameserver 10.0.0.2\noptions ndots:0\n',
  );
  assert.is(reachableResolvConf(''), 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n');
});

test('makes IDs and names that the runtime and the command line accept', () => {
  const machine = fakeMachine();
  for (let attempt = 0; attempt < 50; attempt++) {
    assert.match(newContainerId(machine.randomBytes), /^[0-9a-f]{64}$/);
    assert.match(randomName(machine.randomBytes, 0), /^[a-z]+_[a-z]+$/);
    assert.match(randomName(machine.randomBytes, 7), /^[a-z]+_[a-z]+7$/);
  }
});

test.run();
