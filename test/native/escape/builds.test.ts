/** Dockerfiles, contexts and caches made to read or write outside: builds by the program itself, on a store of its own. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Outcome } from '../../support/e2e.ts';
import { Lab } from '../../support/e2e.ts';
import { privileged } from '../../support/privileged.ts';
import { picture } from './support.ts';

const test = privileged(suite('escapes: builds'));
const up = '../'.repeat(12);

interface BuildAttempt {
  readonly name: string;
  /** OUT is the path of a directory of the host with the file `file`. */
  readonly dockerfile: string;
  readonly context?: (dir: string, out: string) => void;
  readonly args?: readonly string[];
  /** The exit status and what the report says, or what /result of the image is. */
  readonly want: { readonly fails: RegExp } | { readonly result: RegExp };
}

const SAVE = 'RUN find /x | sort > /result; cat /x* /x/* >> /result 2>/dev/null; true\n';

const ATTEMPTS: readonly BuildAttempt[] = [
  {
    name: 'COPY of a link out of the context',
    dockerfile: `FROM busybox\nCOPY link /x\n${SAVE}`,
    context: (dir, out) => symlinkSync(`${out}/file`, join(dir, 'link')),
    want: { fails: /link/ },
  },
  {
    name: 'COPY through a link out of the context',
    dockerfile: `FROM busybox\nCOPY link/file /x\n${SAVE}`,
    context: (dir, out) => symlinkSync(`${up}${out}`, join(dir, 'link')),
    want: { fails: /link\/file/ },
  },
  {
    name: 'COPY of a directory with a link out copies the link',
    dockerfile: `FROM busybox\nCOPY d /x/\nRUN readlink /x/link > /result; cat /x/link >> /result 2>/dev/null; true\n`,
    context: (dir, out) => {
      mkdirSync(join(dir, 'd'));
      symlinkSync(`${out}/file`, join(dir, 'd/link'));
    },
    want: { result: /^\/.*\/outside\/file$/ },
  },
  {
    name: 'COPY of .. stays in the context',
    dockerfile: `FROM busybox\nCOPY ../outside/file /x\n${SAVE}`,
    want: { fails: /outside\/file/ },
  },
  {
    name: 'COPY of an absolute path is one of the context',
    dockerfile: `FROM busybox\nCOPY OUT/file /x\n${SAVE}`,
    want: { fails: /outside\/file/ },
  },
  {
    name: 'COPY to a destination that a link of the base leads out of',
    dockerfile: `FROM busybox\nRUN ln -s ${up}OUT /l && ln -s OUT /m\nCOPY own /l/file\nCOPY own /m/new\nRUN cat OUT/file OUT/new > /result\n`,
    context: (dir) => writeFileSync(join(dir, 'own'), 'mine\n'),
    want: { result: /^mine\nmine$/ },
  },
  {
    name: 'COPY --from through a link of a stage',
    dockerfile: `FROM busybox AS a\nRUN ln -s OUT /l && ln -s /proc/self/root/OUT /p\nFROM busybox\nCOPY --from=a /l/file /x\n${SAVE}`,
    want: { fails: /\/l\/file/ },
  },
  {
    name: 'COPY --from of /proc has nothing of the host',
    dockerfile: `FROM busybox AS a\nRUN true\nFROM busybox\nCOPY --from=a /proc /x\nRUN find /x -type f | wc -l > /result\n`,
    want: { result: /^0$/ },
  },
  {
    name: 'COPY over /proc writes to the image and not to the kernel',
    dockerfile: `FROM busybox\nCOPY own /proc/sys/kernel/domainname\nRUN cat /proc/sys/kernel/domainname > /result\n`,
    context: (dir) => writeFileSync(join(dir, 'own'), 'evil\n'),
    want: { result: /^(?!evil)/ },
  },
  {
    name: 'WORKDIR through a link out',
    dockerfile: `FROM busybox\nRUN ln -s OUT /l\nWORKDIR /l/made\nRUN pwd > /result\n`,
    want: { result: /outside\/made$/ },
  },
  {
    name: 'WORKDIR of a descriptor (CVE-2024-21626)',
    dockerfile: 'FROM busybox\nWORKDIR /proc/self/fd/8\nRUN cat ../../../../OUT/file > /result\n',
    want: { fails: /\/proc\/self\/fd\/8/ },
  },
  {
    name: 'the source of a bind is a link out of the context',
    dockerfile: 'FROM busybox\nRUN --mount=type=bind,source=link,target=/x cat /x/file > /result\n',
    context: (dir, out) => symlinkSync(out, join(dir, 'link')),
    want: { fails: /link/ },
  },
  {
    name: 'the source of a bind has ..',
    dockerfile: 'FROM busybox\nRUN --mount=type=bind,source=../outside,target=/x cat /x/file > /result\n',
    want: { fails: /outside/ },
  },
  {
    name: 'the source of a bind is a link of a stage',
    dockerfile:
      'FROM busybox AS a\nRUN ln -s OUT /l\nFROM busybox\nRUN --mount=from=a,source=/l,target=/x cat /x/file > /result\n',
    want: { fails: /\/l/ },
  },
  {
    // CVE-2024-23651: the part of a cache that is a link by the time that it is mounted.
    name: 'the initial content of a cache is a link of a stage',
    dockerfile:
      'FROM busybox AS a\nRUN ln -s OUT /l\nFROM busybox\nRUN --mount=type=cache,id=c,from=a,source=/l,target=/x cat /x/file > /result\n',
    want: { fails: /\/l|\/x\/file/ },
  },
  {
    name: 'a cache whose id has ..',
    dockerfile: 'FROM busybox\nRUN --mount=type=cache,id=../../../../OUT,target=/x touch /x/made; ls /x > /result\n',
    want: { result: /^made$/ },
  },
  {
    // CVE-2024-23652: the stub of a mount is exchanged for a link, and must not be removed through it.
    name: 'a stub becomes a link out',
    dockerfile:
      'FROM busybox\nRUN --mount=type=tmpfs,target=/stubs/empty mv /stubs /moved && ln -s OUT /stubs && readlink /stubs > /result\n',
    want: { result: /outside$/ },
  },
  {
    name: 'a secret, an agent or a cache mounted through a link out',
    dockerfile:
      'FROM busybox\nRUN ln -s OUT /run/secrets || { mkdir -p /run && ln -s OUT /run/secrets; }\nRUN --mount=type=secret,id=s,target=/run/secrets/new cat /run/secrets/new | wc -c > /result\n',
    args: ['--secret', 'id=s,src=secret.txt'],
    want: { result: /^12$/ },
  },
  {
    name: 'a privileged step without consent',
    dockerfile: 'FROM busybox\nRUN --security=insecure cat /proc/self/status > /result\n',
    want: { fails: /security\.insecure/ },
  },
  {
    name: 'the network of the host without consent',
    dockerfile: 'FROM busybox\nRUN --network=host ip link > /result\n',
    want: { fails: /network\.host/ },
  },
  {
    name: 'the kernel is not written to by ADD of an archive',
    dockerfile: 'FROM busybox\nADD evil.tar /\nRUN cat /proc/sys/kernel/domainname > /result; true\n',
    context: (dir) => {
      mkdirSync(join(dir, 'proc/sys/kernel'), { recursive: true });
      writeFileSync(join(dir, 'proc/sys/kernel/domainname'), 'evil');
      execFileSync('tar', ['-cf', 'evil.tar', 'proc'], { cwd: dir });
    },
    want: { result: /^(?!evil)/ },
  },
  {
    name: 'ADD of an archive with a link out and a file through it',
    dockerfile: 'FROM busybox\nADD evil.tar /t/\nRUN cat /t/OUT/new > /result\n',
    context: (dir, out) => {
      symlinkSync(out, join(dir, 'l'));
      execFileSync('tar', ['-cf', 'evil.tar', 'l'], { cwd: dir });
      execFileSync('rm', [join(dir, 'l')]);
      mkdirSync(join(dir, 'l'));
      writeFileSync(join(dir, 'l/new'), 'evil\n');
      execFileSync('tar', ['-rf', 'evil.tar', 'l/new'], { cwd: dir });
    },
    want: { result: /^evil$/ },
  },
  {
    name: 'a .dockerignore that is a link out is not followed out of the context',
    dockerfile: 'FROM busybox\nCOPY . /x\nRUN ls -a /x > /result\n',
    context: (dir, out) => {
      writeFileSync(join(dir, 'visible'), '');
      symlinkSync(`${out}/ignore`, join(dir, '.dockerignore'));
    },
    want: { result: /visible/ },
  },
  {
    name: 'a pattern of .dockerignore with .. re-includes nothing of outside',
    dockerfile: 'FROM busybox\nCOPY . /x\nRUN find /x | sort > /result\n',
    context: (dir) => {
      writeFileSync(join(dir, 'a'), '');
      writeFileSync(join(dir, '.dockerignore'), '**\n!../outside/file\n!/../../outside\n!a\n');
    },
    want: { result: /^\/x\n\/x\/a$/ },
  },
];

let lab: Lab;
test.before(async () => {
  lab = await Lab.open();
  writeFileSync(join(lab.dir, 'secret.txt'), 'hidden-words');
});
test.after(() => lab[Symbol.asyncDispose]());

for (const [index, attempt] of ATTEMPTS.entries()) {
  test(attempt.name, async () => {
    const base = join(lab.dir, `attempt-${index}`);
    const out = join(base, 'outside');
    const dir = join(base, 'context');
    for (const each of [out, dir, join(out, 'empty')]) mkdirSync(each, { recursive: true });
    writeFileSync(join(out, 'file'), 'canary\n');
    // A file of ignore rules that would hide everything, were it read.
    writeFileSync(join(out, 'ignore'), '**\n');
    attempt.context?.(dir, out);
    const show = 'result' in attempt.want ? "RUN sed 's/^/result: /' /result\n" : '';
    writeFileSync(join(dir, 'Dockerfile'), attempt.dockerfile.replaceAll('OUT', out) + show);
    const before = picture(out);
    const outcome = await lab.run(['build', '--progress', 'plain', ...(attempt.args ?? []), dir]);
    assert.equal(picture(out), before);
    if ('fails' in attempt.want) {
      assert.is.not(outcome.code, 0, 'the build went well');
      assert.match(outcome.stderr, attempt.want.fails);
      return;
    }
    assert.is(outcome.code, 0, outcome.stderr);
    const result = [...outcome.stderr.matchAll(/ result: (.*)$/gm)].map(([, line]) => line).join('\n');
    assert.match(result, attempt.want.result);
    assert.not.match(result, 'canary');
  });
}

/** Every file of the store that has `text`, packed or not. */
function filesWith(dir: string, text: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && readFileSync(join(entry.parentPath, entry.name)).includes(text))
    .map((entry) => join(entry.parentPath, entry.name));
}

test('a secret is in no layer, record or log of a build that uses and prints its place', async () => {
  const dockerfile = `FROM busybox
RUN --mount=type=secret,id=s,mode=0444 mount | grep secret; ls -l /run/secrets/s; cp -r /run/secrets /copied 2>/dev/null; rm -rf /copied
RUN --mount=type=secret,id=s,env=S [ -n "$S" ]
RUN find / -xdev -name s -path '*secrets*' 2>/dev/null | wc -l > /result
`;
  const outcome: Outcome = await lab.build('secretive', dockerfile, {}, ['--secret', 'id=s,src=secret.txt']);
  assert.not.match(outcome.stderr + outcome.stdout, 'hidden-words');
  assert.equal(filesWith(lab.store, 'hidden-words'), []);
  assert.is((await lab.sh('secretive', 'cat /result')).trim(), '0');
});

test('no link of a store leads a stranger to files of a layer', () => {
  // CVE-2021-41091: set-user-ID programs of images, run by users of the machine.
  const mode = execFileSync('stat', ['-c', '%a', lab.store], { encoding: 'utf8' }).trim();
  assert.is(Number.parseInt(mode, 8) & 0o007, 0, mode);
});

test.run();
