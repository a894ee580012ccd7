/**
 * What a process finds in its container, line by line, with a real Docker and with tsbuild: `docker run` beside `tsbuild run`, and a RUN of
 * Docker's BuildKit beside one of tsbuild. Every line that differs is in DIFFERENCES with its reason, and in docs/runtime.md.
 */
import { readlinkSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Docker } from '../support/docker.ts';
import { busyboxTar, Lab } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';

const test = privileged(suite('the environment of a container, beside that of Docker'));

/** Items, each a script that prints lines; ids and paths of the machine are taken out below. */
const ITEMS = {
  status: `grep -E '^(Cap|Seccomp:|NoNewPrivs|Groups|Umask|Sig(Blk|Ign|Cgt)|Threads|Uid|Gid)' /proc/self/status | tr '\\t' ' '`,
  mounts: `awk '{ for (i = 7; $i != "-"; i++); print $5, $(i + 1), $6, $4, $(i + 3) }' /proc/self/mountinfo`,
  propagation: `awk '{ print ($7 ~ /^shared/ ? $5 " " $7 : "") }' /proc/self/mountinfo | sort -u`,
  devices: `find /dev -exec stat -c '%n %F %a %t:%T %u:%g' {} + | sort`,
  links: `for f in fd stdin stdout stderr ptmx core; do echo "$f $(readlink /dev/$f)"; done`,
  limits: `cat /proc/self/limits`,
  user: `id; pwd; umask; echo $$`,
  environment: `env | sort`,
  masked: `for f in acpi asound interrupts kcore keys latency_stats timer_list timer_stats sched_debug scsi; do stat -c '%n %F %a' /proc/$f 2>/dev/null && head -c 1 /proc/$f 2>/dev/null | wc -c; done; ls /sys/firmware /sys/devices/virtual/powercap 2>/dev/null`,
  writable: `for f in /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness /proc/irq/default_smp_affinity /proc/self/oom_score_adj /sys/kernel/mm/ksm/run /sys/fs/cgroup/memory/tasks /etc/hosts /etc/resolv.conf /etc/hostname; do (: >>$f) 2>/dev/null && echo "$f yes" || echo "$f no"; done`,
  names: `hostname; cat /proc/sys/kernel/domainname; cat /etc/hostname 2>/dev/null; cat /etc/hosts; echo; cat /etc/resolv.conf; stat -c '%n %a %u:%g' /etc/hosts /etc/resolv.conf /etc/hostname 2>/dev/null`,
  network: `ip addr | grep -v valid_lft; cat /proc/net/route`,
  sysctls: `cd /proc/sys; for f in net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range net/ipv4/ip_forward kernel/shmmax kernel/msgmax kernel/sem kernel/yama/ptrace_scope fs/mqueue/msg_max net/ipv6/conf/all/disable_ipv6; do [ -e $f ] && echo "$f $(cat $f)"; done`,
  cgroups: `cut -d: -f2- /proc/self/cgroup | sort; ls /sys/fs/cgroup`,
  oom: `cat /proc/self/oom_score_adj`,
  namespaces: `for n in mnt pid ipc uts net user cgroup time; do readlink /proc/self/ns/$n; done`,
  stdio: `for f in 0 1 2; do stat -Lc '%F %u:%g' /proc/self/fd/$f; done; ls /proc/self/fd`,
  root: `stat -c '%n %F %a %u:%g' / /proc /sys /dev /etc /tmp; ls -a / | grep -v -E '^(report|script)$'`,
} as const;

const SCRIPT = Object.entries(ITEMS)
  .map(([item, script]) => `echo "=== ${item}"; (${script}) 2>&1`)
  .join('\n');

type Report = ReadonlyMap<string, readonly string[]>;

function parse(text: string): Report {
  const report = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of text.split('\n')) {
    const item = /^=== (\w+)$/.exec(line)?.[1];
    if (item !== undefined) report.set(item, (lines = []));
    else lines.push(normal(line.trimEnd()));
  }
  return report;
}

/** Without what is another each time: ids, and where the machine keeps its files. */
function normal(line: string): string {
  const own = ['mnt', 'pid', 'ipc', 'uts', 'net', 'user', 'cgroup', 'time'].find((name) =>
    line.startsWith(`${name}:[`),
  );
  if (own !== undefined) return `${own} ${line === readlinkSync(`/proc/self/ns/${own}`) ? 'host' : 'own'}`;
  if (line.startsWith('/ overlay')) return line.replace(/ (rw|ro),.*/, ' $1');
  return line
    .replace(/[0-9a-f]{64}|[a-z0-9]{25}/g, 'ID')
    .replace(/^(\/etc\/\w+(?:\.conf)? ext4|\/etc\/\w+(?:\.conf)? \w+) (\S+) \S+ .*/, '$1 $2')
    .replace(/:?\/docker\/(buildkit\/)?ID|\/[\w/.-]*\/tsbuild\/[\w.-]+/, ' GROUP')
    .replace(/lowerdir=\S+/, '');
}

/** Lines that only one side has, `-` Docker's and `+` ours. */
function differences(docker: Report, ours: Report): string[] {
  const all: string[] = [];
  for (const item of Object.keys(ITEMS)) {
    const [theirs, own] = [docker.get(item) ?? [], ours.get(item) ?? []];
    all.push(...theirs.filter((line) => !own.includes(line)).map((line) => `${item} - ${line}`));
    all.push(...own.filter((line) => !theirs.includes(line)).map((line) => `${item} + ${line}`));
  }
  return all;
}

interface Difference {
  readonly lines: RegExp;
  readonly why: string;
}

/** Of `run` and RUN; each is in the table of docs/runtime.md. */
const IN_BOTH: readonly Difference[] = [
  {
    lines: /^mounts [-+] \/sys\/fs\/cgroup|^cgroups [-+] |^writable [-+] \/sys\/fs\/cgroup/,
    why: 'groups are made only where there is a limit or a rule, with names of our own, and their tmpfs is read-only',
  },
  { lines: /^mounts [-+] \/sys sysfs .* r[ow]$/, why: 'sysfs is read-only by its mount, not by its superblock' },
  {
    lines: /^mounts [-+] \/(proc|sys)\/\S+ tmpfs ro,|^masked [-+] \/proc\/\w+ directory (1777|755)$/,
    why: 'all masked directories are one file system that holds nothing',
  },
  {
    lines: /^(mounts|masked) [-+] (\/proc\/interrupts|1$|\/sys\/devices\/\S*(thermal_throttle|powercap))/,
    why: 'masked as by newer versions of Docker',
  },
];

const IN_RUN: readonly Difference[] = [
  ...IN_BOTH,
  {
    lines: /^names [-+] (fe00::0?\tip6-localnet|ff00::0?\tip6-mcastprefix)$/,
    why: 'newer versions of Docker write it like this',
  },
  { lines: /^names \+ 127\.0\.0\.1\tbox$/, why: 'the own name is found without a network, too' },
  {
    lines: /^network \+ +inet6 ::1|^sysctls [-+] net\/ipv6\/conf\/all\/disable_ipv6/,
    why: 'Docker turns off version 6 of IP where its networks lack it',
  },
  { lines: /^stdio - character special file 0:0$/, why: 'a stdin that is not open is an empty pipe, as in RUN' },
  { lines: /^root - \.dockerenv$/, why: 'a mark of Docker' },
];

const IN_BUILD: readonly Difference[] = [
  ...IN_BOTH,
  {
    lines: /^status [-+] Groups:|^user [-+] uid=0\(root\) gid=0\(root\)/,
    why: 'the primary group is among the others, as in newer versions of Docker (CVE-2022-36109)',
  },
];

/** Both have printed every item, or nothing would have been compared. */
function isComplete(...reports: readonly Report[]): void {
  for (const report of reports) {
    assert.equal([...report.keys()], Object.keys(ITEMS));
    for (const [item, lines] of report) assert.ok(item === 'propagation' || lines.some((line) => line !== ''), item);
  }
}

function agree(found: readonly string[], agreed: readonly Difference[]): void {
  assert.equal(
    found.filter((line) => !agreed.some(({ lines }) => lines.test(line))),
    [],
  );
}

let lab: Lab;
let docker: Docker | string = 'not started';
test.before(async () => {
  lab = await Lab.open();
  docker = await Docker.start();
  if (typeof docker === 'string') console.error(`SKIPPED: no Docker to compare with: ${docker}`);
  else docker.ok(['import', '-c', 'CMD ["sh"]', '-', 'busybox'], busyboxTar());
});
test.after(async () => {
  if (typeof docker !== 'string') await docker[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
});

test('run', async () => {
  if (typeof docker === 'string') return;
  const args = ['run', '--rm', '--network', 'none', '--hostname', 'box', 'busybox', 'sh', '-c', SCRIPT];
  const theirs = parse(docker.ok(args));
  const ours = parse((await lab.ok(args)).stdout);
  isComplete(theirs, ours);
  agree(differences(theirs, ours), IN_RUN);
});

test('RUN', async () => {
  if (typeof docker === 'string') return;
  const dir = await lab.context('environment', {
    Dockerfile: 'FROM busybox\nCOPY script /script\nRUN sh /script > /report\n',
    script: SCRIPT,
  });
  const args = ['build', '--network', 'none', '--no-cache', '-t', 'environment', dir];
  docker.ok(args);
  const theirs = parse(docker.ok(['run', '--rm', '--network', 'none', 'environment', 'cat', '/report']));
  await lab.ok(args);
  const ours = parse(await lab.sh('environment', 'cat /report'));
  isComplete(theirs, ours);
  agree(differences(theirs, ours), IN_BUILD);
});

test.run();
