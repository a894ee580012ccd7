import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import type { MountSpec } from '../../src/runtime-native/types.ts';
import type { ContainerRig } from '../support/container.ts';
import { containerSuite, upperOf } from '../support/container.ts';

async function failure(run: Promise<unknown>): Promise<BuildError> {
  try {
    await run;
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function bind(source: string, target: string, readonly = false): MountSpec {
  return { kind: 'bind', source, target, readonly, recursive: true };
}

/** A root directory of its own, changed by `change`. */
function layerWith(
  rig: ContainerRig,
  change: (directory: string) => void,
): { kind: 'overlay'; lower: string[]; upper: string; work: string; volatile: true } {
  const layer = rig.fresh('layer');
  change(layer);
  return {
    kind: 'overlay',
    lower: [rig.base, layer],
    upper: rig.fresh('upper'),
    work: rig.fresh('work'),
    volatile: true,
  };
}

containerSuite('native runtime: mounts', (test) => {
  test('mounts what every container has, with these options', async (rig) => {
    const table = await rig.output(
      `awk '{ for (i = 7; $i != "-"; i++); print $5, $(i + 1), $(i + 2), $6 }' /proc/self/mountinfo`,
    );
    const lines = table.split('\n').filter((line) => !line.startsWith('/sys/fs/cgroup'));
    assert.equal(lines.slice(0, 7), [
      '/ overlay overlay rw,relatime',
      '/proc proc proc rw,nosuid,nodev,noexec,relatime',
      '/dev tmpfs tmpfs rw,nosuid',
      '/dev/pts devpts devpts rw,nosuid,noexec,relatime',
      '/dev/shm tmpfs shm rw,nosuid,nodev,noexec,relatime',
      '/dev/mqueue mqueue mqueue rw,nosuid,nodev,noexec,relatime',
      '/sys sysfs sysfs ro,nosuid,nodev,noexec,relatime',
    ]);
    for (const path of ['bus', 'fs', 'irq', 'sys'])
      assert.ok(
        lines.some((line) => line.startsWith(`/proc/${path} proc proc ro,nosuid,nodev,noexec`)),
        path,
      );
  });

  test('has the standard devices and nothing else', async (rig) => {
    const list = await rig.output(
      'cd /dev; for f in *; do stat -c "%n %F %a %t:%T %u:%g" $f; done; for f in fd stdin stdout stderr ptmx; do readlink $f; done; stat -c "%a %u:%g" /dev',
    );
    assert.equal(list.split('\n'), [
      'fd symbolic link 777 0:0 0:0',
      'full character special file 666 1:7 0:0',
      'mqueue directory 1777 0:0 0:0',
      'null character special file 666 1:3 0:0',
      'ptmx symbolic link 777 0:0 0:0',
      'pts directory 755 0:0 0:0',
      'random character special file 666 1:8 0:0',
      'shm directory 1777 0:0 0:0',
      'stderr symbolic link 777 0:0 0:0',
      'stdin symbolic link 777 0:0 0:0',
      'stdout symbolic link 777 0:0 0:0',
      'tty character special file 666 5:0 0:0',
      'urandom character special file 666 1:9 0:0',
      'zero character special file 666 1:5 0:0',
      '/proc/self/fd',
      '/proc/self/fd/0',
      '/proc/self/fd/1',
      '/proc/self/fd/2',
      'pts/ptmx',
      '755 0:0',
    ]);
    assert.is(
      await rig.output('head -c 3 /dev/zero | od -An -tx1; echo x > /dev/null; stat -c %t:%T /dev/null'),
      ' 00 00 00\n1:3',
    );
  });

  test('a device that was made cannot be opened unless it is a standard one', async (rig) => {
    const { exit, stderr } = await rig.run(rig.spec('mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem'));
    assert.is.not(exit.code, 0);
    assert.match(stderr, 'Operation not permitted');
    assert.is(await rig.output('mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero | wc -c'), '1');
  });

  test('hides and protects what belongs to the host', async (rig) => {
    assert.is(
      await rig.output(
        'cat /proc/keys /proc/timer_list /proc/interrupts /proc/kcore 2>/dev/null | wc -c; ls -A /sys/firmware /proc/acpi 2>/dev/null',
      ),
      '0\n/proc/acpi:\n\n/sys/firmware:',
    );
    const { stderr } = await rig.run(
      rig.spec(
        'echo 1 > /proc/sys/kernel/panic; echo b > /proc/sysrq-trigger; echo 1 > /sys/kernel/mm/ksm/run; mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x',
      ),
    );
    assert.is(
      stderr.split('\n').filter((line) => /Read-only file system|nonexistent directory|No such file/.test(line)).length,
      5,
      stderr,
    );
  });

  test('sizes /dev/shm as asked', async (rig) => {
    assert.match(await rig.output('df -k /dev/shm | tail -1', { shmSizeBytes: 8 * 1024 * 1024 }), /shm\s+8192/);
  });

  test('binds directories and files, read-only when asked', async (rig) => {
    const source = rig.fresh('source');
    writeFileSync(join(source, 'file'), 'content');
    const spec = rig.spec('cat /rw/file /file; echo new > /rw/new; echo x > /ro/x; echo x > /file', {
      mounts: [bind(source, '/rw'), bind(source, '/ro', true), bind(join(source, 'file'), '/file', true)],
    });
    const { stdout, stderr } = await rig.run(spec);
    assert.is(stdout, 'contentcontent');
    assert.is(stderr.match(/Read-only file system/g)?.length, 2);
    assert.is(readFileSync(join(source, 'new'), 'utf8'), 'new\n');
    assert.not(existsSync(join(source, 'x')));
    assert.equal(readdirSync(upperOf(spec)), []);
    const missing = await failure(rig.run(rig.spec('true', { mounts: [bind('/no/such/source', '/x')] })));
    assert.is(missing.code, 'run-start-failed');
    assert.is(missing.message, 'Cannot open the mount source "/no/such/source": no such file or directory');
  });

  test('mounts a tmpfs with its size and mode', async (rig) => {
    const mounts: MountSpec[] = [
      { kind: 'tmpfs', target: '/small', sizeBytes: 65536, mode: 0o750, readonly: false },
      { kind: 'tmpfs', target: '/plain', readonly: true },
      { kind: 'tmpfs', target: '/root', readonly: true },
    ];
    const { stdout, stderr } = await rig.run(
      rig.spec('stat -c %a /small /plain /root; df -k /small | tail -1; touch /small/a /plain/a /root/a', { mounts }),
    );
    assert.match(stdout, /^750\n1777\n755\ntmpfs\s+64 /);
    assert.match(stderr, '/plain/a: Read-only file system');
    assert.match(stderr, '/root/a: Read-only file system');
    assert.not.match(stderr, '/small/a');
  });

  test('runs programs from a tmpfs', async (rig) => {
    const mounts: MountSpec[] = [{ kind: 'tmpfs', target: '/tools', readonly: false }];
    const script = 'cp /bin/busybox /tools/echo && /tools/echo ran; grep " /tools " /proc/mounts';
    assert.match(await rig.output(script, { mounts }), /^ran\ntmpfs \/tools tmpfs rw,nosuid,relatime /);
  });

  test('mounts a stack of directories, writable or not, or a part of it', async (rig) => {
    const low = rig.fresh('low');
    const high = rig.fresh('high');
    mkdirSync(join(low, 'sub'));
    writeFileSync(join(low, 'sub/low'), 'low');
    writeFileSync(join(high, 'high'), 'high');
    mkdirSync(join(high, 'deep'));
    symlinkSync('/sub', join(high, 'deep/link'));
    const upper = rig.fresh('upper');
    const work = rig.fresh('work');
    const mounts: MountSpec[] = [
      { kind: 'overlay', lower: [low, high], target: '/ro' },
      { kind: 'overlay', lower: [low], target: '/single' },
      { kind: 'overlay', lower: [], target: '/none' },
      { kind: 'overlay', lower: [low, high], upper, work, target: '/rw' },
      { kind: 'overlay', lower: [low, high], target: '/part', subpath: '/deep/link' },
      { kind: 'overlay', lower: [low, high], target: '/one-file', subpath: '/sub/low' },
      { kind: 'overlay', lower: [low, high], target: '/again' },
    ];
    const { stdout, stderr } = await rig.run(
      rig.spec(
        'ls /ro /single /none /part /again; cat /one-file; echo new > /rw/sub/new; rm /rw/high; touch /ro/x /single/x /none/x /part/x',
        { mounts },
      ),
    );
    assert.is(
      stdout,
      '/again:\ndeep\nhigh\nsub\n\n/none:\n\n/part:\nlow\n\n/ro:\ndeep\nhigh\nsub\n\n/single:\nsub\nlow',
    );
    assert.is(stderr.match(/Read-only file system/g)?.length, 4);
    assert.is(readFileSync(join(upper, 'sub/new'), 'utf8'), 'new\n');
    assert.ok(lstatSync(join(upper, 'high')).isCharacterDevice());
    assert.equal(readdirSync(low), ['sub']);
  });

  test('follows links in a target inside the root only', async (rig) => {
    const host = rig.fresh('host');
    const source = rig.fresh('source');
    writeFileSync(join(source, 'seen'), '');
    const rootfs = layerWith(rig, (layer) => {
      symlinkSync(host, join(layer, 'absolute'));
      symlinkSync(`../../../../../..${host}`, join(layer, 'relative'));
      symlinkSync('/made/later', join(layer, 'dangling'));
      mkdirSync(join(layer, 'real'));
      symlinkSync('real', join(layer, 'alias'));
    });
    const mounts = ['/absolute/a', '/relative/b', '/dangling/c', '/alias/d', '/../../e'].map((target) =>
      bind(source, target),
    );
    const spec = rig.spec(
      `ls -d /absolute/a/seen /relative/b/seen ${host}/a/seen /made/later/c/seen /real/d/seen /e/seen`,
      { rootfs, mounts },
    );
    const { stdout } = await rig.run(spec);
    assert.is(stdout.trim().split('\n').length, 6, stdout);
    assert.equal(readdirSync(host), []);
    assert.equal(readdirSync(upperOf(spec)).sort(), ['real', 'tmp']);
    assert.equal(readdirSync(join(upperOf(spec), 'tmp')), []);
  });

  test('refuses targets that would cover the root, proc or a device', async (rig) => {
    const source = rig.fresh('source');
    writeFileSync(join(source, 'file'), '');
    for (const target of ['/', '/proc', '/proc/sys', '/proc/self', '/tmp/../proc']) {
      assert.is(
        (await failure(rig.run(rig.spec('true', { mounts: [bind(source, target)] })))).code,
        'path-conflict',
        target,
      );
    }
    for (const target of ['/dev/null', '/proc/self/environ', '/dev/stdin', '/bin']) {
      assert.is(
        (await failure(rig.run(rig.spec('true', { mounts: [bind(join(source, 'file'), target)] })))).code,
        'path-conflict',
        target,
      );
    }
    assert.is(await rig.output('ls /dev/shm', { mounts: [bind(source, '/dev/shm')] }), 'file');
  });

  test('refuses an image whose /proc, /sys or /dev is a link', async (rig) => {
    for (const name of ['proc', 'sys', 'dev']) {
      const layer = rig.fresh('linked');
      for (const other of ['bin', 'etc', 'proc', 'sys', 'dev'].filter((each) => each !== name))
        mkdirSync(join(layer, other));
      symlinkSync('/etc', join(layer, name));
      const error = await failure(
        rig.run(
          rig.spec('true', {
            rootfs: { kind: 'overlay', lower: [layer], upper: rig.fresh(), work: rig.fresh(), volatile: true },
          }),
        ),
      );
      assert.is(error.code, 'path-conflict');
      assert.match(error.message, `Cannot mount at "/${name}"`);
    }
  });

  test('binds the files of /etc, unless the caller mounts there', async (rig) => {
    const files = rig.fresh('files');
    for (const name of ['hosts', 'resolv', 'name', 'own']) writeFileSync(join(files, name), `${name}\n`);
    const etcFiles = {
      hosts: join(files, 'hosts'),
      resolvConf: join(files, 'resolv'),
      hostname: join(files, 'name'),
      readonly: true,
    };
    const spec = rig.spec('cat /etc/hosts /etc/resolv.conf /etc/hostname; echo x > /etc/hosts', { etcFiles });
    const { stdout, stderr } = await rig.run(spec);
    assert.is(stdout, 'hosts\nresolv\nname\n');
    assert.match(stderr, 'Read-only file system');
    await rig.output('echo changed > /etc/hosts', { etcFiles: { ...etcFiles, readonly: false } });
    assert.is(readFileSync(join(files, 'hosts'), 'utf8'), 'changed\n');
    assert.is(
      await rig.output('cat /etc/hosts', { etcFiles, mounts: [bind(join(files, 'own'), '/etc/hosts')] }),
      'own',
    );
  });

  test('a read-only root cannot be written, what is mounted in it can', async (rig) => {
    const spec = rig.spec('touch /x; touch /data/x && echo ok', {
      readonlyRootfs: true,
      mounts: [{ kind: 'tmpfs', target: '/data', readonly: false }],
      cwd: '/made',
    });
    const { stdout, stderr } = await rig.run(spec);
    assert.is(stdout, 'ok\n');
    assert.match(stderr, 'Read-only file system');
  });

  test('removes the mount points that it made and gives their parents back their times', async (rig) => {
    const before = new Date(1_500_000_000_000);
    const rootfs = layerWith(rig, (layer) => {
      for (const path of ['etc', 'opt', 'srv']) {
        mkdirSync(join(layer, path));
        utimesSync(join(layer, path), before, before);
      }
      utimesSync(layer, before, before);
    });
    const hosts = join(rig.fresh('files'), 'hosts');
    writeFileSync(hosts, 'hosts');
    const source = rig.fresh('source');
    const mounts = [
      bind(source, '/opt/a/b'),
      bind(hosts, '/opt/file'),
      bind(source, '/srv/kept'),
      bind(source, '/new'),
    ];
    const spec = rig.spec('touch /srv/own', { rootfs, mounts, etcFiles: { hosts, readonly: true } });
    const upper = upperOf(spec);
    utimesSync(upper, before, before);
    await rig.run(spec);
    assert.equal(readdirSync(upper).sort(), ['etc', 'opt', 'srv']);
    assert.equal(readdirSync(join(upper, 'opt')), []);
    assert.equal(readdirSync(join(upper, 'srv')), ['own']);
    for (const path of ['etc', 'opt', '.']) assert.is(lstatSync(join(upper, path)).mtimeMs, before.getTime(), path);
    assert.ok(lstatSync(join(upper, 'srv')).mtimeMs > before.getTime(), 'the time of a real change stays');

    const kept = rig.spec('true', { mounts: [bind(source, '/new/dir')], removeStubs: false });
    await rig.run(kept);
    assert.equal(readdirSync(join(upperOf(kept), 'new')), ['dir']);
  });

  test('does not remove what was there before, or is not empty any more', async (rig) => {
    const source = rig.fresh('source');
    mkdirSync(join(source, 'inner'));
    const rootfs = layerWith(rig, (layer) => {
      mkdirSync(join(layer, 'there'));
      chmodSync(join(layer, 'there'), 0o700);
    });
    const spec = rig.spec('ls /there', {
      rootfs,
      mounts: [bind(source, '/there'), bind(source, '/there/inner'), bind(source, '/there/made')],
    });
    await rig.run(spec);
    assert.equal(readdirSync(upperOf(spec)), []);
    assert.equal(readdirSync(source).sort(), ['inner', 'made']);
  });

  test('leaves no mount on the host', async (rig) => {
    const source = rig.fresh('source');
    const during = rig.spec('cat /proc/self/mountinfo', { mounts: [bind(source, '/x', true)] });
    let host = '';
    await rig.run(during, { onStarted: () => (host = readFileSync('/proc/self/mountinfo', 'utf8')) });
    assert.not.match(host, rig.directory);
    assert.not.match(readFileSync('/proc/self/mountinfo', 'utf8'), rig.directory);
  });
});
