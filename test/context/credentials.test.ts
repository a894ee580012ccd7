import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gitRemote, httpAuthorization } from '../../src/context/credentials.ts';
import { BuildError } from '../../src/core/errors.ts';

const test = suite('credentials for sources');

const URL_OF = 'https://h.test:8443/a/b.git';

function secrets(values: Readonly<Record<string, string>>): (id: string) => Uint8Array | undefined {
  return (id) => (values[id] === undefined ? undefined : Buffer.from(values[id]));
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

test('a token or a header is for the remote alone', () => {
  assert.equal(gitRemote(URL_OF, secrets({})), { remote: URL_OF });
  assert.equal(gitRemote(URL_OF, secrets({ GIT_AUTH_TOKEN: 't' })), {
    remote: URL_OF,
    credentials: { scope: URL_OF, authorization: basic('x-access-token:t') },
  });
  assert.is(gitRemote(URL_OF, secrets({ GIT_AUTH_HEADER: 'Bearer x' })).credentials?.authorization, 'Bearer x');
});

test('a token for github.com is for all of it', () => {
  const one = gitRemote('https://github.com/a/b.git', secrets({ GIT_AUTH_TOKEN: 't' }));
  assert.is(one.credentials?.scope, 'https://github.com/');
  const other = gitRemote('https://github.com.evil.test/a/b.git', secrets({ GIT_AUTH_TOKEN: 't' }));
  assert.is(other.credentials?.scope, 'https://github.com.evil.test/a/b.git');
});

test('what is for the host goes first, and a header before a token', () => {
  const values: Record<string, string> = {
    'GIT_AUTH_HEADER.h.test:8443': 'a',
    'GIT_AUTH_TOKEN.h.test:8443': 'b',
    GIT_AUTH_HEADER: 'c',
    GIT_AUTH_TOKEN: 'd',
  };
  const expected = ['a', basic('x-access-token:b'), 'c', basic('x-access-token:d')];
  for (const [index, id] of Object.keys(values).entries()) {
    assert.is(gitRemote(URL_OF, secrets(values)).credentials?.authorization, expected[index]);
    delete values[id];
  }
  // The port is part of the host.
  assert.is(gitRemote(URL_OF, secrets({ 'GIT_AUTH_TOKEN.h.test': 't' })).credentials, undefined);
});

test('user and password of a URL are taken out of it', () => {
  assert.equal(gitRemote('https://us:p%40ss@h.test/b.git', secrets({})), {
    remote: 'https://h.test/b.git',
    credentials: { scope: 'https://h.test/', authorization: basic('us:p@ss') },
  });
  assert.is(gitRemote('http://token@h.test/b.git', secrets({})).credentials?.authorization, basic('token:'));
  // A secret goes first.
  assert.is(gitRemote('http://us:pa@h.test/b.git', secrets({ GIT_AUTH_HEADER: 'x' })).credentials?.authorization, 'x');
  for (const remote of ['git@h.test:a.git', 'ssh://git@h.test/a', 'git://h.test/a']) {
    assert.equal(gitRemote(remote, secrets({ GIT_AUTH_TOKEN: 't' })), { remote });
  }
});

test('a file has a token or a header by its host without a port', () => {
  const url = new URL('https://h.test:8443/a');
  assert.is(httpAuthorization(url, secrets({ GIT_AUTH_TOKEN: 't' })), undefined);
  assert.is(httpAuthorization(url, secrets({ 'HTTP_AUTH_TOKEN_h.test': 't' })), 'Bearer t');
  assert.is(httpAuthorization(url, secrets({ 'HTTP_AUTH_HEADER_h.test': 'Basic x' })), 'Basic x');
  const both = { 'HTTP_AUTH_TOKEN_h.test': 't', 'HTTP_AUTH_HEADER_h.test': 'Basic x' };
  assert.is(httpAuthorization(url, secrets(both)), 'Bearer t');
  assert.is(httpAuthorization(url, secrets({ 'HTTP_AUTH_TOKEN_other.test': 't' })), undefined);
  assert.is(httpAuthorization(new URL('http://[::1]:1/'), secrets({ 'HTTP_AUTH_TOKEN_::1': 't' })), 'Bearer t');
});

test('the line feed of a file is no part of a token, and an empty secret is none', () => {
  const url = new URL('http://h.test/');
  assert.is(httpAuthorization(url, secrets({ 'HTTP_AUTH_TOKEN_h.test': 't\r\n' })), 'Bearer t');
  assert.is(httpAuthorization(url, secrets({ 'HTTP_AUTH_TOKEN_h.test': '\n' })), undefined);
});

test('a value that would make more headers is refused, and not shown', () => {
  for (const value of ['a\nX-Evil: 1', 'a\r\n\r\nb', 'a\0', 'ä']) {
    try {
      gitRemote(URL_OF, secrets({ GIT_AUTH_HEADER: `secret${value}` }));
    } catch (error) {
      assert.is((error as BuildError).code, 'invalid-argument');
      assert.match((error as BuildError).message, '"GIT_AUTH_HEADER"');
      assert.not.match((error as BuildError).message, 'secret"?[^ "]');
      continue;
    }
    assert.unreachable(JSON.stringify(value));
  }
});

test.run();
