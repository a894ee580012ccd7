/** The processes behind the writer and the scanner: how they start, fail and end. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createNativeFiles } from '../../src/runtime-native/files.ts';
import { Lab, nativeFiles } from '../layer/support.ts';
import { rejectsWith } from '../support/assert.ts';
import { files } from './writing.ts';

const test = suite('native file processes');

test('a binary that is missing is reported', async () => {
  const missing = createNativeFiles({ binaryPath: '/nonexistent/tsbuild-runtime' });
  await using writer = missing.openWriter({ kind: 'directory', path: '/' });
  await rejectsWith('runtime-unavailable', () => writer.close());
  await rejectsWith('runtime-unavailable', () => missing.scanLayer('/'));
});

test('a root that is missing is reported', async () => {
  using lab = new Lab();
  await using writer = files.openWriter({ kind: 'directory', path: lab.path('none') });
  await rejectsWith('runtime-failed', () => writer.flush(), /none/);
});

test('an aborted signal ends the writer, and nothing works after it', async () => {
  using lab = new Lab();
  const abort = new AbortController();
  await using writer = files.openWriter({ kind: 'directory', path: lab.dir }, { signal: abort.signal });
  await writer.remove('/nothing');
  await writer.flush();
  abort.abort();
  await rejectsWith('cancelled', () => writer.flush());
  await rejectsWith('cancelled', () => writer.close());
  await using late = files.openWriter({ kind: 'directory', path: lab.dir }, { signal: abort.signal });
  await rejectsWith('cancelled', () => late.flush());
});

/** The native processes that this one has started. */
function workers(): number[] {
  const lines = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' }).split(
    '\n',
  );
  return lines.filter((line) => line.includes('tsbuild-runtime')).map((line) => Number.parseInt(line, 10));
}

test('leaving a writer unfinished ends its process', async () => {
  using lab = new Lab();
  const before = workers();
  {
    await using writer = nativeFiles().openWriter({ kind: 'directory', path: lab.dir });
    await writer.remove('/nothing');
    await writer.flush();
    assert.is(workers().length, before.length + 1);
  }
  assert.equal(workers(), before);
});

test('scans at once do not mix, and one whose process dies fails and leaves the next alone', async () => {
  using lab = new Lab();
  const dirs = ['a', 'b', 'c'].map((name) => lab.makeDir(name));
  fs.writeFileSync(lab.path('b/f'), '');
  const shared = nativeFiles();
  const scans = await Promise.all(dirs.map((dir) => shared.scanLayer(dir)));
  assert.equal(scans[0], scans[2]);
  assert.is.not(scans[0]?.fingerprint, scans[1]?.fingerprint);
  const own = nativeFiles();
  const mixed = await Promise.allSettled([own.scanLayer(lab.path('none')), own.scanLayer(dirs[1]!)]);
  assert.is(mixed[0]?.status, 'rejected');
  assert.equal(mixed[1], { status: 'fulfilled', value: scans[1] });
  const before = workers();
  const other = nativeFiles();
  await other.scanLayer(dirs[0]!);
  const [pid = 0, ...more] = workers().filter((known) => !before.includes(known));
  assert.equal(more, []);
  process.kill(pid, 'SIGSTOP');
  const waiting = other.scanLayer(dirs[0]!);
  process.kill(pid, 'SIGKILL');
  await rejectsWith('runtime-failed', () => waiting);
  assert.equal(await other.scanLayer(dirs[1]!), scans[1]);
});

test('removeTree() removes closed directories and does not follow links', async () => {
  using lab = new Lab();
  fs.mkdirSync(lab.path('tree/closed/deep'), { recursive: true });
  fs.writeFileSync(lab.path('precious'), '');
  fs.symlinkSync(lab.dir, lab.path('tree/closed/link'));
  fs.chmodSync(lab.path('tree/closed'), 0);
  await files.removeTree(lab.path('tree'));
  await files.removeTree(lab.path('tree'));
  assert.equal(fs.readdirSync(lab.dir), ['precious']);
});

test('a tree deeper than any path can be is removed, and refused as a layer', async () => {
  using lab = new Lab();
  // Deeper than PATH_MAX allows to name.
  const code =
    'import os,sys\nos.chdir(sys.argv[1])\nfor i in range(2500):\n  os.mkdir("d"); open("f","w").close(); os.chdir("d")';
  execFileSync('python3', ['-c', code, lab.makeDir('tree')]);
  await rejectsWith('unsupported-feature', () => files.scanLayer(lab.path('tree')), /too long/);
  await files.removeTree(lab.path('tree'));
  assert.equal(fs.readdirSync(lab.dir), []);
});

test.run();
