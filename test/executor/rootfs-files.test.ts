import { existsSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hostsText, portableResolvConf, RootfsFiles } from '../../src/executor/rootfs-files.ts';

const test = suite('files of the root');

test('hosts names the container and what was added', () => {
  assert.is(
    hostsText('buildkitsandbox', [{ name: 'db', address: '10.0.0.1' }]),
    '127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.1\tdb\n',
  );
});

test('servers that only the host can reach go, the rest stays', () => {
  const text = 'search example.org\nnameserver 127.0.0.1\n\nnameserver 10.0.0.2\nnameserver ::1\noptions ndots:2\n';
  assert.is(portableResolvConf(text), 'search example.org\nnameserver 10.0.0.2\noptions ndots:2\n');
});

test('without any server left public ones are asked', () => {
  assert.is(
    portableResolvConf('# comment\nnameserver 127.0.0.53\n'),
    '# comment\nnameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n',
  );
});

test('each version is written once and all go in the end', async () => {
  let paths: string[];
  {
    await using files = new RootfsFiles();
    const [one, same, other] = await Promise.all([files.hosts('a', []), files.hosts('a', []), files.hosts('b', [])]);
    assert.is(one, same);
    assert.is.not(one, other);
    assert.match(readFileSync(other, 'utf8'), /localhost b\n/);
    paths = [one, other, await files.resolvConf('host'), await files.resolvConf('other')];
    assert.ok(paths.every((path) => existsSync(path)));
  }
  assert.not(paths.some((path) => existsSync(path)));
});

test.run();
