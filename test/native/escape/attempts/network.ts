/** Attempts of containers on the bridge, on a machine of network namespaces, to reach the host and each other. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Lab } from '../../../support/e2e.ts';
import type { NetLab } from '../../../support/net-lab.ts';
import { until } from '../../../support/net-lab.ts';
import type { Described, Group } from './group.ts';

export interface NetworkAttempt extends Described {
  readonly run: (net: NetLab, lab: Lab) => Promise<void>;
}

const FRAMES = 50;

/** A directory with a program of this folder; compiled once. */
function tool(lab: Lab, name: string): string {
  const dir = join(lab.dir, name);
  mkdirSync(dir, { recursive: true });
  const source = join(import.meta.dirname, `../${name}.c`);
  execFileSync('gcc', ['-O1', '-static', '-Wall', '-Wextra', '-Werror', '-o', join(dir, 'program'), source]);
  return dir;
}

async function run(lab: Lab, network: string, volumes: readonly string[], script: string): Promise<string> {
  const flags = volumes.flatMap((volume) => ['-v', volume]);
  return (await lab.ok(['run', '--rm', '--network', network, ...flags, 'busybox', 'sh', '-c', script])).stdout.trim();
}

async function connectsToAbstractSockets(net: NetLab, lab: Lab): Promise<void> {
  const program = tool(lab, 'tool');
  const name = `tsbuild-bridge-${process.pid}`;
  const server = spawn('nsenter', [`--net=/run/netns/${net.host}`, join(program, 'program'), 'listen', name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(server.stdout, 'data');
    const attempt = `/tool/program connect ${name}; grep -c @ /proc/net/unix`;
    assert.is(await run(lab, 'bridge', [`${program}:/tool`], `${attempt}; true`), 'ECONNREFUSED\n0');
    assert.match(await run(lab, 'host', [`${program}:/tool`], attempt), /^connected\n/, 'the attempt is a real one');
  } finally {
    server.kill('SIGKILL');
  }
}

/** Counts in one container what the other sends; they share the directory /s. */
const COUNT = '/tool/program count /s/sent > /s/counted; tail -n 1 /s/counted';
const SEND = `until grep -q ready /s/counted 2>/dev/null; do sleep 0.02; done; /tool/program arp ${FRAMES}; touch /s/sent`;

async function lies(net: NetLab, lab: Lab): Promise<void> {
  const program = tool(lab, 'frames');
  const before = net.snapshot();
  const shared = '--mount=from=tool,target=/tool --mount=type=cache,id=shared,target=/s';
  const context = await lab.context('lies', {
    Dockerfile: `FROM busybox AS one\nRUN ${shared} ${COUNT} > /count\nFROM busybox AS two\nRUN ${shared} ${SEND} && touch /done\nFROM busybox\nCOPY --from=two /done /\nCOPY --from=one /count /\nRUN sed 's/^/count: /' /count\n`,
  });
  const built = await lab.ok(['build', '--progress', 'plain', '--build-context', `tool=${program}`, context]);
  assert.match(built.stderr, / count: 0$/m);
  // Containers of run hear each other, as with Docker: what is sent is really sent.
  const volumes = [`${program}:/tool`, 'shared:/s'];
  const [counted] = await Promise.all([run(lab, 'bridge', volumes, COUNT), run(lab, 'bridge', volumes, SEND)]);
  assert.is(Number(counted), FRAMES);
  assert.is(net.snapshot(), before);
}

/** A host that would listen to routers: it takes what comes by a link of its own. */
async function advertisesRouters(net: NetLab, lab: Lab): Promise<void> {
  const program = tool(lab, 'frames');
  const set = (name: string, value: string): string =>
    net.in(net.host, 'sh', '-c', `echo ${value} > /proc/sys/net/ipv6/conf/default/${name}`);
  const routes = (): string => net.in(net.host, 'ip', '-6', 'route', 'show', 'table', 'all');
  const other = `tsbuild-test-${process.pid}-router`;
  set('disable_ipv6', '0');
  set('accept_ra', '2');
  try {
    const before = net.snapshot();
    const sent = await run(lab, 'bridge', [`${program}:/tool`], '/tool/program router; ip route');
    assert.match(sent, /^sent\n/);
    // The bridge is there as long as a container is; while this one waits, the host is looked at.
    const said = 'until grep -q sent /s/said 2>/dev/null; do sleep 0.02; done';
    const waiting = run(
      lab,
      'bridge',
      [`${program}:/tool`, 'shared:/s'],
      'rm -f /s/*; /tool/program router > /s/said; until [ -e /s/seen ]; do sleep 0.02; done',
    );
    try {
      await run(lab, 'bridge', ['shared:/s'], said);
      assert.match(net.in(net.host, 'ip', '-o', 'link'), 'tsbuild0');
      assert.not.match(routes(), /db8:bad|fe80::bad/);
    } finally {
      await run(lab, 'none', ['shared:/s'], 'touch /s/seen');
      await waiting;
    }
    assert.is(net.snapshot(), before);
    // The same frames by a link that is none of tsbuild's.
    net.addNamespace(other);
    net.link(net.host, 'ra0', '198.18.9.1/30', other, 'eth0', '198.18.9.2/30');
    net.in(other, join(program, 'program'), 'router');
    await until(() => {
      net.in(other, join(program, 'program'), 'router');
      return /db8:bad/.test(routes());
    }, 'the advertisement is believed');
  } finally {
    set('disable_ipv6', '1');
  }
}

export const NETWORK: readonly Group<NetworkAttempt>[] = [
  {
    refusedBy: 'the network namespace',
    attempts: [{ name: 'connect to abstract sockets of the host from the bridge', run: connectsToAbstractSockets }],
  },
  {
    refusedBy: 'ports of the bridge that are isolated from each other (steps of builds)',
    attempts: [{ name: 'redirect what another step sends, by false answers of ARP', run: lies }],
  },
  {
    refusedBy: 'the bridge, which has no IPv6',
    attempts: [{ name: 'become the router of the host, by an advertisement (CVE-2020-10749)', run: advertisesRouters }],
  },
];
