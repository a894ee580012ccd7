// Writes the inputs that fuzzing of the native code starts from to fixtures/fuzz/native: a small good one for each form that a reader knows.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../fixtures/fuzz/native/', import.meta.url));
const BLOCK = 512;
/** Divides an input of several parts. */
const NEXT = Buffer.from([0xff]);

/** Integers of so many bytes each, the lowest byte first. */
function numbers(size, ...values) {
  const bytes = Buffer.alloc(size * values.length);
  values.forEach((value, index) => bytes.writeUIntLE(value, index * size, size));
  return bytes;
}

const padded = (data, unit) => Buffer.concat([data, Buffer.alloc(-data.length & (unit - 1))]);
const parts = (...texts) =>
  Buffer.concat(texts.flatMap((text, index) => (index === 0 ? [Buffer.from(text)] : [NEXT, Buffer.from(text)])));

// spec.c: a key's size, a value's size, the key, the value and a zero byte.
function spec(records) {
  const written = records.map(([key, value]) =>
    Buffer.concat([numbers(2, key.length), numbers(4, value.length), Buffer.from(`${key}${value}\0`)]),
  );
  return Buffer.concat([Buffer.from('TSBSPEC1'), ...written]);
}

const REQUIRED = [
  ['id', 'abc-1'],
  ['rootfs.readonly', '0'],
  ['arg', '/bin/sh'],
  ['env', 'A=b'],
  ['cwd', '/'],
  ['cwd.owner', 'root'],
  ['user', '0'],
  ['hostname', 'h'],
  ['network', 'none'],
  ['stdin', '0'],
];
const BRIDGE = [
  ['etc.hosts.name', 'box'],
  ['network.role', 'service'],
  ['network.bridge', 'tsbuild0 10.1.0.0/16'],
];
const MOUNTS = [
  ['mount', 'bind'],
  ['mount.source', '/s'],
  ['mount.target', '/t'],
  ['mount.readonly', '1'],
  ['mount.recursive', '0'],
  ['mount', 'overlay'],
  ['mount.target', '/o'],
  ['mount.lower', '/l'],
  ['mount.subpath', '/p'],
  ['mount', 'tmpfs'],
  ['mount.target', '/m'],
  ['mount.size', '4096'],
  ['mount.mode', '1023'],
];
const LIMITS = [
  ['resource.memory', '8388608'],
  ['resource.memory-swap', 'same'],
  ['resource.pids', 'unlimited'],
  ['resource.cpuset-cpus', '0-3,7'],
  ['oom-score-adj', '-17'],
  ['rlimit', 'nofile'],
  ['rlimit.soft', '10'],
  ['rlimit.hard', 'unlimited'],
];
const END = [['end', '']];

// tar_*.c: a byte for the way the archive comes, then its blocks; what fuzzes it makes the checksums right.
function header({ name = 'dir/name', type = '0', size = 0, link = '', magic = 'ustar\x0000' }) {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0);
  block.write('0000644\x000001750\x000001750\0', 100);
  block.write(`${size.toString(8).padStart(11, '0')}\x0014000000000\0`, 124);
  block.write(type, 156);
  block.write(link, 157);
  block.write(magic, 257, 'latin1');
  return block;
}

const GNU = 'ustar  \0';
const entry = (fields, content = '') =>
  Buffer.concat([header({ ...fields, size: content.length }), padded(Buffer.from(content), BLOCK)]);
const archive = (...entries) => Buffer.concat([Buffer.from([0]), ...entries, Buffer.alloc(2 * BLOCK)]);

function record(key, value) {
  const rest = ` ${key}=${value}\n`;
  let size = rest.length + 1;
  while (`${size}${rest}`.length !== size) size++;
  return `${size}${rest}`;
}

const pax = (fields, type = 'x') =>
  entry(
    { name: 'pax', type },
    Object.entries(fields)
      .map(([key, value]) => record(key, value))
      .join(''),
  );

function gnuSparse() {
  const block = header({ type: 'S', size: BLOCK, magic: GNU });
  block.write('00000001024\x0000000001000\0', 386);
  block.write('00000004096', 483);
  return Buffer.concat([block, Buffer.alloc(BLOCK, 'x')]);
}

/** The same archive in frames. */
function framed(data) {
  const frames = [];
  for (let at = 1; at < data.length; at += 700) {
    const frame = data.subarray(at, at + 700);
    frames.push(numbers(4, frame.length), frame);
  }
  return Buffer.concat([Buffer.from([1]), ...frames, numbers(4, 0)]);
}

// files_input.c: a record of 64 bytes and its strings; files.h has the fields.
function operation(op, path, { text = '', xattrs = Buffer.alloc(0), content = '' } = {}) {
  const head = Buffer.concat([
    numbers(4, op, 8, 0o644, 1, 2, 5),
    numbers(4, 77, 0, content.length, 0, 1, 3),
    numbers(4, path.length, text.length, xattrs.length, 0),
  ]);
  return Buffer.concat([head, Buffer.from(path + text), xattrs, Buffer.from(content)]);
}

const xattr = (name, value) => Buffer.concat([numbers(4, name.length, value.length), Buffer.from(name + value)]);

// netlink.c: messages of routes and links, rtnetlink(7).
const attribute = (type, value) => padded(Buffer.concat([numbers(2, 4 + value.length, type), value]), 4);
const message = (type, head, ...attributes) => {
  const body = Buffer.concat([padded(head, 4), ...attributes]);
  return Buffer.concat([numbers(4, 16 + body.length), numbers(2, type, 2), numbers(4, 0, 0), body]);
};
const routeHead = (prefix) => Buffer.from([2, prefix, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);
const hop = (index) => Buffer.concat([numbers(2, 8), Buffer.from([0, 0]), numbers(4, index)]);

// channel.c: a container, a kind, a size and so much data.
const frame = (kind, data) => Buffer.concat([numbers(4, 1, kind, data.length), Buffer.from(data)]);

const CONFIG = {
  ociVersion: '1.2.0',
  root: { path: 'rootfs', readonly: true },
  hostname: 'h',
  process: {
    terminal: false,
    user: { uid: 1, gid: 2, umask: 18, additionalGids: [3] },
    args: ['/bin/sh', '-c', 'true'],
    env: ['PATH=/bin'],
    cwd: '/',
    capabilities: { bounding: ['CAP_CHOWN'], effective: ['CAP_CHOWN'], permitted: ['CAP_CHOWN'] },
    rlimits: [{ type: 'RLIMIT_NOFILE', soft: 10, hard: 20 }],
    noNewPrivileges: true,
    oomScoreAdj: 5,
  },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/x', type: 'bind', source: '/s', options: ['rbind', 'ro', 'rprivate'] },
    { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'size=65536k', 'mode=1777'] },
  ],
  hooks: { poststop: [{ path: '/bin/true', args: ['true'], timeout: 5 }] },
  linux: {
    namespaces: [{ type: 'pid' }, { type: 'mount' }, { type: 'uts' }, { type: 'network', path: '/proc/1/ns/net' }],
    uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
    devices: [{ path: '/dev/x', type: 'c', major: 1, minor: 3, fileMode: 438 }],
    sysctl: { 'kernel.shmmax': '1' },
    maskedPaths: ['/proc/kcore'],
    readonlyPaths: ['/proc/sys'],
    cgroupsPath: '/a/b',
    resources: {
      devices: [
        { allow: false, access: 'rwm' },
        { allow: true, type: 'c', major: 1, access: 'rm' },
      ],
      memory: { limit: 1048576, swap: -1 },
      cpu: { shares: 100, quota: 5000, period: 10000, cpus: '0-1' },
      pids: { limit: 5 },
      unified: { 'memory.high': '1' },
    },
    seccomp: {
      defaultAction: 'SCMP_ACT_ERRNO',
      architectures: ['SCMP_ARCH_X86_64'],
      syscalls: [
        { names: ['read', 'clone'], action: 'SCMP_ACT_ALLOW' },
        {
          names: ['personality'],
          action: 'SCMP_ACT_ALLOW',
          args: [{ index: 0, value: 8, valueTwo: 9, op: 'SCMP_CMP_MASKED_EQ' }],
        },
      ],
    },
  },
};

const PASSWD = 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n';
const GROUP = 'root:x:0:root\nwheel:x:10:app,root\napp:x:1000:\n';
const MOUNTINFO = [
  '30 23 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:5 - cgroup2 cgroup2 rw,nsdelegate',
  '33 23 0:29 /docker/1 /sys/fs/my\\040memory rw shared:7 master:1 - cgroup cgroup rw,memory',
  '',
].join('\n');

const seeds = {
  spec: {
    plain: spec([...REQUIRED, ['rootfs.directory', '/r'], ...END]),
    overlay: spec([
      ...REQUIRED,
      ['rootfs.lower', '/l'],
      ['rootfs.upper', '/u'],
      ['rootfs.work', '/w'],
      ...MOUNTS,
      ...END,
    ]),
    limits: spec([...REQUIRED, ['rootfs.directory', '/r'], ...BRIDGE, ...LIMITS, ...END]),
  },
  json: {
    values: Buffer.from('{"a":[1,-2.5e3,null,true,false],"b":{"\\u00e9\\n":"\\ud83d\\ude00"},"":[]}'),
    deep: Buffer.from(`${'['.repeat(63)}1${']'.repeat(63)}`),
  },
  config: { whole: Buffer.from(JSON.stringify(CONFIG)), process: Buffer.from(JSON.stringify(CONFIG.process)) },
  tar: {
    plain: archive(
      entry({ name: 'dir/', type: '5' }),
      entry({}, 'content'),
      entry({ type: '1', link: 'dir/name' }),
      entry({ type: '2', link: '../x' }),
    ),
    pax: archive(
      pax({ comment: 'x' }, 'g'),
      pax({ path: 'long/é', mtime: '-5.25', size: '7', uid: '70000', 'SCHILY.xattr.user.a': 'v' }),
      entry({}, 'content'),
    ),
    gnu: archive(entry({ type: 'L', magic: GNU }, 'a/long/name\0'), entry({ magic: GNU }, 'x')),
    'gnu-sparse': archive(gnuSparse()),
    'pax-sparse-0': archive(
      pax({ 'GNU.sparse.size': '99', 'GNU.sparse.numblocks': '1', 'GNU.sparse.map': '1,2' }),
      entry({}, 'xy'),
    ),
    'pax-sparse-1': archive(
      pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'n', 'GNU.sparse.realsize': '99' }),
      entry({}, `1\n5\n2\n${'\0'.repeat(BLOCK - 6)}xy`),
    ),
    framed: framed(archive(entry({}, 'content'))),
  },
  files: {
    tree: Buffer.concat([
      operation(1, 'dir/'),
      operation(2, 'dir/file', { content: 'content', xattrs: xattr('user.a', 'v') }),
      operation(4, 'link', { text: '../x' }),
      operation(5, 'second', { text: 'dir/file/' }),
      operation(10, ''),
      operation(11, ''),
    ]),
  },
  netlink: {
    routes: Buffer.concat([
      message(24, routeHead(16), attribute(1, Buffer.from([10, 201, 0, 0])), attribute(4, numbers(4, 3))),
      message(24, routeHead(0), attribute(5, Buffer.from([10, 0, 0, 1])), attribute(4, numbers(4, 2))),
      message(24, routeHead(24), attribute(9, Buffer.concat([hop(4), hop(5)]))),
    ]),
    link: message(
      16,
      Buffer.concat([Buffer.alloc(4), numbers(4, 9, 1, 0)]),
      attribute(3, Buffer.from('tsbuild0\0')),
      attribute(4, numbers(4, 1500)),
      attribute(6, Buffer.from('noqueue\0')),
    ),
    error: message(2, numbers(4, 0xffffffed)),
  },
  cgroup: {
    v1: parts('4:memory:/docker/1/sub\n1:name=systemd:/init.scope\n0::/x\n', MOUNTINFO),
    v2: parts('0::/../user.slice/a b\n', MOUNTINFO),
  },
  identity: {
    name: parts('app', PASSWD, GROUP),
    'number-and-group': parts('1000:wheel', PASSWD, GROUP),
    unknown: parts('nobody:10', PASSWD, GROUP),
  },
  subids: { both: parts('app:x:1000:1000:::\n', 'app:100000:65536\n1000:300000:10\n') },
  channel: {
    several: Buffer.concat([frame(1, 'TSBSPEC1'), frame(2, numbers(4, 15)), frame(6, numbers(4, 1, 7)), frame(7, '')]),
  },
  report: {
    ready: numbers(4, 4, 0),
    made: Buffer.concat([numbers(4, 2, 0), Buffer.alloc(56), Buffer.from('/etc/hosts\0')]),
    failed: Buffer.concat([numbers(4, 1, 0, 9, 2), Buffer.from('detail\0')]),
  },
  log: {
    runc: Buffer.from(
      '{"level":"info","msg":"x"}\n{"level":"error","msg":"exec: \\"tool\\": executable file not found in $PATH"}\n',
    ),
    crun: Buffer.from('{"msg":"executable file `x` not found: No such file or directory","level":"error"}\n'),
  },
  wanted: { owner: Buffer.from('1000:1001'), device: Buffer.from('0:0:c:10:229') },
  network: { range: Buffer.from('tsbuild0 10.201.0.0/16'), name: Buffer.from('br-x_1.2') },
};

for (const [target, inputs] of Object.entries(seeds)) {
  await mkdir(join(FOLDER, target), { recursive: true });
  for (const [name, data] of Object.entries(inputs)) await writeFile(join(FOLDER, target, name), data);
}
