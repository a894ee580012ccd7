import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/core/digest.ts';
import {
  familiarReference,
  familiarRepository,
  formatReference,
  parseReference,
  repositoryOf,
} from '../../src/oci/reference.ts';
import { throwsWith } from '../support/assert.ts';

const DIGEST = digestOf('x');
const test = suite('oci/reference');

const FORMS: readonly (readonly [text: string, full: string, familiar: string])[] = [
  ['alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['alpine:3.20', 'docker.io/library/alpine:3.20', 'alpine:3.20'],
  ['library/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['docker.io/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['index.docker.io/library/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['team/app', 'docker.io/team/app:latest', 'team/app:latest'],
  ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
  ['localhost:5000/app:v1', 'localhost:5000/app:v1', 'localhost:5000/app:v1'],
  ['127.0.0.1:5000/a/b/c', '127.0.0.1:5000/a/b/c:latest', '127.0.0.1:5000/a/b/c:latest'],
  ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app:latest'],
  ['ghcr.io/o/r-x__y.z:T_1', 'ghcr.io/o/r-x__y.z:T_1', 'ghcr.io/o/r-x__y.z:T_1'],
  ['Team/app', 'Team/app:latest', 'Team/app:latest'],
  ['docker.io/a.b/c', 'docker.io/a.b/c:latest', 'docker.io/a.b/c:latest'],
  ['docker.io/library/a/b', 'docker.io/library/a/b:latest', 'library/a/b:latest'],
  [`alpine@${DIGEST}`, `docker.io/library/alpine@${DIGEST}`, `alpine@${DIGEST}`],
  [`alpine:3@${DIGEST}`, `docker.io/library/alpine:3@${DIGEST}`, `alpine:3@${DIGEST}`],
];

for (const [text, full, familiar] of FORMS) {
  test(`"${text}" is "${full}"`, () => {
    const reference = parseReference(text);
    assert.is(formatReference(reference), full);
    assert.is(familiarReference(reference), familiar);
    assert.equal(parseReference(full), reference);
    assert.equal(parseReference(familiar), reference);
  });
}

test('the port is no tag', () => {
  assert.equal(parseReference('host:5000/app'), { domain: 'host:5000', path: 'app', tag: 'latest' });
});

test('a digest alone brings no tag', () => {
  assert.equal(parseReference(`a@${DIGEST}`), { domain: 'docker.io', path: 'library/a', digest: DIGEST });
});

test('repositories have a full and a familiar form', () => {
  const reference = parseReference('alpine:3');
  assert.is(repositoryOf(reference), 'docker.io/library/alpine');
  assert.is(familiarRepository(reference), 'alpine');
  assert.is(familiarRepository(parseReference('ghcr.io/library/x')), 'ghcr.io/library/x');
});

for (const text of [
  '',
  ':tag',
  '@',
  'a@sha256:12',
  'APP',
  'a//b',
  'a/',
  '/a',
  'a b',
  'a:',
  'a:-x',
  `a:${'t'.repeat(129)}`,
  'a..b',
  '-a',
  'http://host/a',
  'host.io/',
  'a/../b',
  'x'.repeat(300),
]) {
  test(`"${text.slice(0, 20)}" is refused`, () => {
    throwsWith('invalid-reference', () => parseReference(text));
  });
}

test('what can be read is read the same from its full and its familiar form', () => {
  const part = fc.stringMatching(/^[a-z0-9]{1,6}([._-][a-z0-9]{1,3})?$/);
  const domain = fc.option(fc.constantFrom('localhost', 'ghcr.io', 'a.b:80', 'docker.io'), { nil: undefined });
  const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}$/), { nil: undefined });
  fc.assert(
    fc.property(
      domain,
      fc.array(part, { minLength: 1, maxLength: 3 }),
      tag,
      fc.boolean(),
      (host, parts, name, pinned) => {
        const text = `${host === undefined ? '' : `${host}/`}${parts.join('/')}${name === undefined ? '' : `:${name}`}${pinned ? `@${DIGEST}` : ''}`;
        const reference = parseReference(text);
        assert.equal(parseReference(formatReference(reference)), reference);
        assert.equal(parseReference(familiarReference(reference)), reference);
      },
    ),
    { numRuns: 200 },
  );
});

test.run();
