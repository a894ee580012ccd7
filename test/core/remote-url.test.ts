import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import {
  fileNameOf,
  isRemoteContext,
  isRemoteUrl,
  parseRemoteContext,
  parseRemoteUrl,
  pinnedCommit,
} from '../../src/core/remote-url.ts';

const test = suite('URLs of sources');

const READ: readonly (readonly [string, unknown])[] = [
  ['https://example.com/a.tar', { kind: 'http', url: 'https://example.com/a.tar' }],
  ['HTTP://example.com/a?x=.git', { kind: 'http', url: 'HTTP://example.com/a?x=.git' }],
  ['https://example.com/a.git', { kind: 'git', remote: 'https://example.com/a.git' }],
  ['http://u:p@h:8080/a.git#v1', { kind: 'git', remote: 'http://u:p@h:8080/a.git', ref: 'v1' }],
  ['git://h/a#b/c:d/./e/', { kind: 'git', remote: 'git://h/a', ref: 'b/c', subdir: 'd/e' }],
  ['ssh://git@h:22/a#:d', { kind: 'git', remote: 'ssh://git@h:22/a', subdir: 'd' }],
  ['git@github.com:a/b.git#x:/', { kind: 'git', remote: 'git@github.com:a/b.git', ref: 'x' }],
  ['git@h:a?branch=x', { kind: 'git', remote: 'git@h:a', ref: 'refs/heads/x' }],
  [
    'https://h/a.git?tag=v1&subdir=d&keep-git-dir&submodules=false',
    { kind: 'git', remote: 'https://h/a.git', ref: 'refs/tags/v1', subdir: 'd', keepGitDir: true, submodules: false },
  ],
  ['https://h/a.git?mtime=checkout&ref=x', { kind: 'git', remote: 'https://h/a.git', ref: 'x', mtime: 'checkout' }],
  [
    'https://h/a.git?fetch-by-commit&branch=x&commit=0123456',
    { kind: 'git', remote: 'https://h/a.git', ref: 'refs/heads/x', checksum: '0123456', fetchByCommit: true },
  ],
  ['https://h/a.git?checksum=0123456', { kind: 'git', remote: 'https://h/a.git', ref: '0123456', checksum: '0123456' }],
];
for (const [text, expected] of READ) {
  test(`reads ${text}`, () => {
    assert.ok(isRemoteUrl(text));
    assert.equal(parseRemoteUrl(text), expected);
  });
}

for (const text of [
  'a',
  './a@b:c',
  '/a.git',
  'file:///a.git',
  'oci-layout://x',
  'github.com/a/b',
  '-x@h:y',
  'a@-h:b',
]) {
  test(`takes ${text} for a path`, () => {
    assert.not.ok(isRemoteUrl(text));
    assert.is(parseRemoteUrl(text), undefined);
  });
}

test('takes github.com/owner/name for a repository where it is a context', () => {
  const expected = { kind: 'git', remote: 'https://github.com/a/b.git' };
  assert.ok(isRemoteContext('github.com/a/b'));
  for (const end of ['', '/', '.git']) assert.equal(parseRemoteContext(`github.com/a/b${end}`), expected);
  assert.equal(parseRemoteContext('github.com/a/b#r:s'), { ...expected, ref: 'r', subdir: 's' });
});

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['https://h/a.git#--upload-pack=x', 'invalid-argument', /is not a name that git allows/],
  ['https://h/a.git#a..b', 'invalid-argument', /is not a name that git allows/],
  ['https://h/a.git?ref=a:b', 'invalid-argument', /is not a name that git allows/],
  ['https://h/a.git#a%0ab', 'invalid-argument', /is not a name that git allows/],
  ['https://h/a.git#%zz', 'invalid-argument', /is not encoded as URLs are/],
  ['https://h/a.git#a:../b', 'path-escape', /outside of the repository/],
  ['https://h/a.git#a:b/../../c', 'path-escape', /outside of the repository/],
  ['https://h/a.git?ref=a#b', 'invalid-argument', /names both "b" and "a"/],
  ['https://h/a.git?tag=a&branch=a', 'invalid-argument', /names/],
  ['https://h/a.git?ref=a&ref=a', 'invalid-argument', /several values for "ref"/],
  ['https://h/a.git?ref', 'invalid-argument', /"ref" has no value/],
  ['https://h/a.git?depth=1', 'invalid-argument', /"depth" is not among/],
  ['https://h/a.git?checksum=xyz', 'invalid-argument', /is not a commit/],
  ['https://h/a.git?commit=0123456&checksum=1234567', 'invalid-argument', /names both/],
  ['https://h/a.git?mtime=now', 'invalid-argument', /"mtime" is neither commit nor checkout/],
  ['https://h/a.git?mtime', 'invalid-argument', /"mtime" has no value/],
  ['https://us:secret@h/a.git?fetch-by-commit=2', 'invalid-argument', /xxxxx@h.*neither true nor false/],
  ['https://h/a.git?submodules=maybe', 'invalid-argument', /neither true nor false/],
  ['ssh://-oProxyCommand=x/a', 'invalid-argument', /Cannot use/],
  ['http://[x/', 'invalid-argument', /it is not a URL/],
];
for (const [text, code, message] of REFUSED) {
  test(`refuses ${text}`, () => {
    try {
      parseRemoteUrl(text);
    } catch (error) {
      assert.instance(error, BuildError);
      assert.is((error as BuildError).code, code);
      return assert.match((error as BuildError).message, message);
    }
    assert.unreachable('nothing was thrown');
  });
}

test('a commit is fetched by itself only where it is named in full', () => {
  const commit = 'a'.repeat(40);
  const read = (query: string): string | undefined => {
    const parsed = parseRemoteUrl(`https://h/a.git?${query}`);
    return parsed?.kind === 'git' ? pinnedCommit(parsed) : undefined;
  };
  assert.is(read(`ref=x&checksum=${commit}`), undefined);
  assert.is(read(`ref=x&checksum=${commit}&fetch-by-commit=false`), undefined);
  assert.is(read(`ref=x&checksum=${commit}&fetch-by-commit=true`), commit);
  for (const query of ['fetch-by-commit', 'fetch-by-commit&checksum=aaaaaaa', `fetch-by-commit&ref=${commit}`]) {
    assert.throws(() => read(query), /needs the commit in full/);
    assert.throws(() => parseRemoteContext(`github.com/a/b?${query}`), /needs the commit in full/);
  }
});

test('never lets a ref or a subdirectory be an option, a refspec or a way out', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), fc.string({ maxLength: 20 }), (ref, subdir) => {
      const fragment = `${encodeURIComponent(ref)}:${encodeURIComponent(subdir)}`;
      let parsed: ReturnType<typeof parseRemoteUrl>;
      try {
        parsed = parseRemoteUrl(`https://h/a.git#${fragment}`);
      } catch (error) {
        if (error instanceof BuildError) return true;
        throw error;
      }
      if (parsed?.kind !== 'git') return false;
      return !/^-|[:*~^\s]|\.\./.test(parsed.ref ?? '') && !(parsed.subdir ?? '').split('/').includes('..');
    }),
    { numRuns: 300 },
  );
});

test('takes the name of a file from the path of its URL', () => {
  assert.is(fileNameOf('http://h/a/b.txt?c=/d#e'), 'b.txt');
  assert.is(fileNameOf('http://h/a%20b/c%20d/'), 'c d');
  assert.is(fileNameOf('http://h/a%2Fb'), 'b');
  for (const url of ['http://h', 'http://h/', 'http://h/%2e%2e', 'http://h/a%2f%2e%2e', 'http://h/%00']) {
    assert.is(fileNameOf(url), undefined, url);
  }
});

test.run();
