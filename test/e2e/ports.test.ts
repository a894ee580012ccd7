/** Published ports, and networks that containers share, on a machine of network namespaces. */
import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BIN, Lab } from '../support/e2e.ts';
import { HOST_ADDRESS, NetLab, OUTSIDE_ADDRESS, until } from '../support/net-lab.ts';
import { privileged } from '../support/privileged.ts';

const GATEWAY = '10.201.0.1';
const UDP_SERVER = fileURLToPath(new URL('../support/udp-server.c', import.meta.url));

let net: NetLab;
let lab: Lab;
let program: string;
const tests = suite('published ports');
const test = privileged(tests);

if (process.getuid?.() === 0) {
  tests.before(async () => {
    net = await NetLab.open();
    program = net.inHost(BIN, 'tsbuild');
    lab = await Lab.open({ bin: program });
    // It tells who asks, by TCP and by UDP.
    const serve = 'udp-server 53 & exec httpd -f -p 0.0.0.0:80 -h /www';
    const udpServer = compiled(UDP_SERVER);
    const dockerfile = `FROM busybox
COPY me /www/cgi-bin/
COPY udp-server /bin/
EXPOSE 80 53/udp
CMD ["sh", "-c", ${JSON.stringify(serve)}]
`;
    await lab.build('server', dockerfile, {
      me: { text: '#!/bin/sh\nprintf "\\r\\n%s" "$REMOTE_ADDR"\n', mode: 0o755 },
      'udp-server': { text: udpServer, mode: 0o755 },
    });
  });
  tests.after(async () => {
    await lab[Symbol.asyncDispose]();
    net[Symbol.dispose]();
  });
}

/** A static program. */
function compiled(source: string): Buffer {
  const program = join(lab.dir, 'program');
  execFileSync('gcc', ['-static', '-O1', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
  return readFileSync(program);
}

function ask(host: string, port: number): string {
  return `wget -qO- http://${host}:${port}/cgi-bin/me 2>/dev/null || echo unreachable`;
}

/** What the server of a container says to somebody in a namespace. */
function answer(namespace: string, host: string, port: number): string {
  const get = `
    fetch('http://${host}:${port}/cgi-bin/me', { signal: AbortSignal.timeout(5000) })
      .then((response) => response.text())
      .then(console.log, () => console.log('unreachable'));`;
  return net.in(namespace, process.execPath, '-e', get).trim();
}

/** Runs the server with `flags` until `use` is done; the host's network is as before then. */
async function serving(
  name: string,
  flags: readonly string[],
  use: (child: ChildProcess) => Promise<void>,
): Promise<void> {
  const before = net.snapshot();
  const child = spawn(program, ['run', '--rm', '--name', name, ...flags, 'server'], {
    env: { ...process.env, TSBUILD_ROOT: lab.store },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  try {
    await until(() => {
      if (child.exitCode !== null) throw new Error(`the server has ended: ${stderr}`);
      return (
        net.in(net.host, 'nft', 'list', 'tables').includes('tsbuild-') || !flags.some((flag) => /^-[pP]/.test(flag))
      );
    }, 'the ports');
    await use(child);
  } finally {
    await lab.run(['rm', '-f', name]);
    await ended;
  }
  await until(() => net.snapshot() === before, 'the host is as before');
}

async function reachable(namespace: string, host: string, port: number): Promise<void> {
  await until(() => answer(namespace, host, port) !== 'unreachable', `${host}:${port} answers`);
}

test('lead to the container from outside, from the host and from other containers', async () => {
  await serving('one', ['-p', '8080:80'], async () => {
    await reachable(net.outside, HOST_ADDRESS, 8080);
    // The server sees who it is.
    assert.is(answer(net.outside, HOST_ADDRESS, 8080), OUTSIDE_ADDRESS);
    assert.is(answer(net.host, '127.0.0.1', 8080), GATEWAY);
    assert.is(answer(net.host, HOST_ADDRESS, 8080), HOST_ADDRESS);
    const script = `${ask(GATEWAY, 8080)}; echo; ${ask(HOST_ADDRESS, 8080)}`;
    assert.is((await lab.ok(['run', '--rm', 'busybox', 'sh', '-c', script])).stdout, `${GATEWAY}\n${GATEWAY}`);
    // Its own, by way of the host.
    const own = ['run', '--rm', '--network', 'container:one', 'busybox', 'sh', '-c', ask(HOST_ADDRESS, 8080)];
    assert.is((await lab.ok(own)).stdout, GATEWAY);
    // What is not published stays closed.
    assert.is(answer(net.outside, HOST_ADDRESS, 80), 'unreachable');
  });
});

test('are those of one address, or of UDP, when that was asked for', async () => {
  await serving('two', ['-p', '127.0.0.1:8081:80', '-p', `${HOST_ADDRESS}:5353:53/udp`], async () => {
    await reachable(net.host, '127.0.0.1', 8081);
    assert.is(answer(net.host, HOST_ADDRESS, 8081), 'unreachable');
    assert.is(answer(net.outside, HOST_ADDRESS, 8081), 'unreachable');
    const send = `
      const socket = require('node:dgram').createSocket('udp4');
      const timer = setInterval(() => socket.send('x', 5353, '${HOST_ADDRESS}'), 200);
      socket.once('message', (text) => { console.log(String(text)); clearInterval(timer); socket.close(); });
      setTimeout(() => process.exit(1), 30_000).unref();`;
    assert.is(net.in(net.outside, process.execPath, '-e', send), `${OUTSIDE_ADDRESS}\n`);
  });
});

test('of the loopback are not for a neighbour who sends there', async () => {
  const neighbour = `${net.outside}-near`;
  net.addNamespace(neighbour);
  net.link(net.host, 'near0', '198.18.1.1/24', neighbour, 'near1', '198.18.1.2/24');
  net.in(neighbour, 'ip', 'addr', 'del', '127.0.0.1/8', 'dev', 'lo');
  net.in(neighbour, 'ip', 'route', 'add', '127.0.0.1', 'via', '198.18.1.1');
  net.in(neighbour, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/near1/route_localnet');
  // Nor where a container's way in is known.
  net.in(neighbour, 'ip', 'route', 'add', '10.201.0.0/16', 'via', '198.18.1.1');
  await serving('three', ['-p', '127.0.0.1:8082:80', '-p', '8083:80'], async () => {
    await reachable(neighbour, '198.18.1.1', 8083);
    for (const port of [8082, 8083]) assert.is(answer(neighbour, '127.0.0.1', port), 'unreachable');
    const { stdout } = await lab.ok(['run', '--rm', '--network', 'container:three', 'busybox', 'ip', '-o', 'addr']);
    const [, address = ''] = /inet (10\.[\d.]+)/.exec(stdout) ?? [];
    assert.is(answer(net.host, address, 80), GATEWAY);
    assert.is(answer(neighbour, address, 80), 'unreachable');
  });
  net.in(net.host, 'ip', 'link', 'delete', 'near0');
});

test('that are taken are an error that names them', async () => {
  await serving('four', ['-p', '8084:80'], async () => {
    const second = await lab.run(['run', '--rm', '-p', '8084:80', 'busybox', 'true']);
    assert.is(second.code, 125);
    assert.match(second.stderr, 'Cannot publish port "0.0.0.0:8084/tcp": it is in use');
  });
  await net.serve(net.host, '0.0.0.0', 8085);
  const taken = await lab.run(['run', '--rm', '-p', '8085:80', 'busybox', 'true']);
  assert.match(taken.stderr, 'Cannot publish port "0.0.0.0:8085/tcp": it is in use');
  const foreign = await lab.run(['run', '--rm', '-p', '203.0.113.7:80:80', 'busybox', 'true']);
  assert.match(foreign.stderr, 'Cannot publish port "203.0.113.7:80/tcp": the machine has no such address');
});

test('are shown by ps and port, also those that were chosen', async () => {
  await serving('five', ['-P', '-p', '127.0.0.1:9000-9001:9000-9001'], async () => {
    const { stdout } = await lab.ok(['port', 'five']);
    assert.match(stdout, '9000/tcp -> 127.0.0.1:9000\n9001/tcp -> 127.0.0.1:9001\n');
    const [, chosen = ''] = /^80\/tcp -> 0\.0\.0\.0:(\d+)$/m.exec(stdout) ?? [];
    assert.match(stdout, /^53\/udp -> 0\.0\.0\.0:\d+$/m);
    await reachable(net.outside, HOST_ADDRESS, Number(chosen));
    assert.is((await lab.ok(['port', 'five', '80'])).stdout, `0.0.0.0:${chosen}\n`);
    assert.match((await lab.run(['port', 'five', '81'])).stderr, 'Cannot find a published port "81/tcp"');
    assert.match((await lab.ok(['ps'])).stdout, `0.0.0.0:${chosen}->80/tcp`);
  });
});

test('go with a tsbuild that is killed', async () => {
  await serving('six', ['-p', '8086:80'], async (child) => {
    await reachable(net.outside, HOST_ADDRESS, 8086);
    child.kill('SIGKILL');
    await until(() => !net.in(net.host, 'nft', 'list', 'tables').includes('tsbuild'), 'the tables go');
    assert.is(answer(net.outside, HOST_ADDRESS, 8086), 'unreachable');
    await serving('seven', ['-p', '8086:80'], () => reachable(net.outside, HOST_ADDRESS, 8086));
  });
});

test('a network is shared with its addresses, names and servers', async () => {
  await serving('owner', ['-p', '8087:80', '-h', 'box'], async () => {
    await reachable(net.host, '127.0.0.1', 8087);
    const script = 'hostname; tail -n1 /etc/hosts; ip -o -4 addr show eth0; wget -qO- http://127.0.0.1/cgi-bin/me';
    const shared = (of: string): string[] => ['run', '--rm', '--network', `container:${of}`];
    const { stdout } = await lab.ok([...shared('owner'), 'busybox', 'sh', '-c', script]);
    const [, address = 'none'] = /inet ([\d.]+)\/16/.exec(stdout) ?? [];
    assert.match(stdout, new RegExp(`^box\n${address}\tbox\n.*\n127\\.0\\.0\\.1$`));
    for (const [flag, value] of [
      ['-h', 'other'],
      ['-p', '1:1'],
      ['--add-host', 'a:1.2.3.4'],
    ] as const) {
      const { code, stderr } = await lab.run([...shared('owner'), flag, value, 'busybox', 'true']);
      assert.is(code, 125);
      assert.match(stderr, 'with the network of another container');
    }
  });
  const gone = await lab.run(['run', '--rm', '--network', 'container:owner', 'busybox', 'true']);
  assert.match(gone.stderr, 'Cannot find container "owner"');
  await lab.ok(['run', '--name', 'ended', '--network', 'none', 'busybox', 'true']);
  const ended = await lab.run(['run', '--rm', '--network', 'container:ended', 'busybox', 'true']);
  assert.match(ended.stderr, 'Cannot share the network of container "ended": it is not running');
  await lab.ok(['rm', 'ended']);
});

tests.run();
