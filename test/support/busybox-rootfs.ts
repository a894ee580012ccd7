/** A tiny root filesystem for containers: the host's static busybox with its applets as symbolic links. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'];

/** Makes `directory` a root filesystem. Throws when the host has no static busybox. */
export function makeBusyboxRootfs(directory: string): void {
  const busybox = BUSYBOX.find((path) => existsSync(path));
  if (busybox === undefined) throw new Error('these tests need a static busybox: apt-get install busybox-static');
  for (const name of ['bin', 'etc', 'root', 'home', 'tmp', 'proc', 'sys', 'dev', 'var'])
    mkdirSync(join(directory, name), { recursive: true });
  chmodSync(join(directory, 'tmp'), 0o1777);
  copyFileSync(busybox, join(directory, 'bin/busybox'));
  chmodSync(join(directory, 'bin/busybox'), 0o755);
  for (const applet of applets(busybox)) symlinkSync('busybox', join(directory, 'bin', applet));
  symlinkSync('bin', join(directory, 'sbin'));
  writeFileSync(join(directory, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n');
  writeFileSync(
    join(directory, 'etc/group'),
    'root:x:0:\napp:x:1000:\nextra:x:2000:app\nother:x:2001:\nwheel:x:10:root\n',
  );
}

let known: string[] | undefined;

function applets(busybox: string): string[] {
  known ??= execFileSync(busybox, ['--list'], { encoding: 'utf8' })
    .split('\n')
    .filter((name) => name !== '' && name !== 'busybox');
  return known;
}
