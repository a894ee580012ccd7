import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseReference } from '../../src/oci/reference.ts';
import { parseChallenges } from '../../src/registry/auth.ts';
import { rejectsWith } from '../support/assert.ts';
import type { FakeRegistry } from '../support/fake-registry.ts';
import { openFakeRegistry, status } from '../support/fake-registry.ts';
import { testImage } from '../support/images.ts';
import { AMD64, openRig } from './rig.ts';

const MADE = testImage({ layers: ['one', 'two', 'three', 'four'] });
const test = suite('registry/auth');

/** Lets the registry want a token: it gives out `t1`, `t2` and so on, and takes only the one given last. */
function protect(
  registry: FakeRegistry,
  challenge = `Bearer realm="http://${registry.host}/token?a=b",service="reg"`,
): { tokens: number } {
  const state = { tokens: 0 };
  registry.disturb(/ \/token/, 99, (_, response) => {
    state.tokens++;
    response.end(JSON.stringify({ access_token: `t${state.tokens}`, expires_in: 300 }));
  });
  const wrap = registry.disturb.bind(registry);
  const check = (): void =>
    wrap(/\/v2\//, 1, (request, response) => {
      check();
      if (request.headers.authorization !== `Bearer t${state.tokens}`) {
        status(401, { 'www-authenticate': challenge })(request, response);
        return;
      }
      registry.serve(request, response);
    });
  check();
  return state;
}

test('challenges are parsed', () => {
  const plain = (header: string): unknown =>
    parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
  assert.equal(plain('Bearer realm="https://a/b?c=d,e",service="s",scope="repository:x:pull,push"'), [
    ['bearer', { realm: 'https://a/b?c=d,e', service: 's', scope: 'repository:x:pull,push' }],
  ]);
  assert.equal(plain('BASIC Realm = "a \\"b\\"" , charset=UTF-8, Bearer realm=x'), [
    ['basic', { realm: 'a "b"', charset: 'UTF-8' }],
    ['bearer', { realm: 'x' }],
  ]);
  assert.equal(plain('Negotiate, Basic realm="r"'), [
    ['negotiate', {}],
    ['basic', { realm: 'r' }],
  ]);
  assert.equal(plain(''), []);
  assert.equal(plain('"'), []);
});

test('whatever a header says, parsing it ends', () => {
  const piece = fc.constantFrom('Bearer', 'Basic ', 'realm=', '"', '\\', ',', ' ', '=', 'x', '"a"', '\u00e9');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
      for (const { scheme } of parseChallenges(pieces.join(''))) assert.is(scheme, scheme.toLowerCase());
    }),
    { numRuns: 200 },
  );
});

test('one anonymous token serves a whole repository', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('team/app', 'v1', MADE);
  const state = protect(registry);
  const reference = parseReference(`${registry.host}/team/app:v1`);
  const image = await rig.source.resolve(reference, AMD64, {});
  await rig.source.fetchLayers(reference, image, {});
  assert.is(state.tokens, 1);
  const asked = registry.seen.find((request) => request.url.startsWith('/token'));
  assert.is(asked?.url, '/token?a=b&service=reg&scope=repository%3Ateam%2Fapp%3Apull');
  assert.is(asked?.headers.authorization, undefined);
  assert.is(rig.content.blobs.size, 6);
});

test('a token is renewed before it expires and when it is no longer taken', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'v1', MADE);
  registry.add('app', 'v2', MADE);
  const state = protect(registry);
  await rig.source.resolve(parseReference(`${registry.host}/app:v1`), AMD64, {});
  rig.clockMs = 269_000;
  await rig.source.resolve(parseReference(`${registry.host}/app:v2`), AMD64, {});
  assert.is(state.tokens, 1);
  rig.clockMs = 271_000;
  await rig.source.resolve(parseReference(`${registry.host}/app:v2`), AMD64, {});
  assert.is(state.tokens, 2);
  state.tokens = 7;
  await rig.source.resolve(parseReference(`${registry.host}/app:v2`), AMD64, {});
  assert.is(state.tokens, 8);
});

test('parallel requests ask for one token', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  registry.add('app', 'v1', MADE);
  const state = protect(registry);
  await rig.source.fetchLayers(parseReference(`${registry.host}/app:v1`), MADE.image, {});
  assert.is(state.tokens, 1);
});

test('credentials go to the token server only', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig({
    credentials: (domain) => Promise.resolve(domain === registry.host ? { username: 'u', password: 'p' } : undefined),
  });
  registry.add('app', 'v1', MADE);
  protect(registry);
  await rig.source.resolve(parseReference(`${registry.host}/app:v1`), AMD64, {});
  const basic = `Basic ${Buffer.from('u:p').toString('base64')}`;
  for (const { url, headers } of registry.seen)
    assert.is(headers.authorization === basic, url.startsWith('/token'), url);
});

test('Basic is answered with credentials, and is a denial without', async () => {
  await using registry = await openFakeRegistry();
  registry.add('app', 'v1', MADE);
  const reference = parseReference(`${registry.host}/app:v1`);
  const challenge = status(401, { 'www-authenticate': 'Basic realm="r"' });
  registry.disturb(/./, 2, challenge);
  using anonymous = openRig();
  await rejectsWith(
    'registry-denied',
    () => anonymous.source.resolve(reference, AMD64, {}),
    /asks for a login \(basic\)/,
  );
  registry.disturb(/./, 1, challenge);
  using known = openRig({ credentials: () => Promise.resolve({ username: 'u', password: 'p' }) });
  assert.equal(await known.source.resolve(reference, AMD64, {}), MADE.image);
});

test('a refusal in spite of a token, or of one, is a denial with a hint', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  const reference = parseReference(`${registry.host}/app:v1`);
  const challenge = status(401, { 'www-authenticate': `Bearer realm="http://${registry.host}/token"` });
  registry.disturb(/ \/token/, 2, (_, response) => response.end('{"token":"t"}'));
  registry.disturb(/\/v2\//, 99, challenge);
  const error = await rejectsWith('registry-denied', () => rig.source.resolve(reference, AMD64, {}), /denies access/);
  assert.match(error.hint ?? '', /may not exist, or need a login/);
  registry.disturb(/ \/token/, 99, status(401));
  await rejectsWith('registry-denied', () => rig.source.resolve(reference, AMD64, {}));
});

test('a token server has to be encrypted and to answer with a token', async () => {
  await using registry = await openFakeRegistry();
  using rig = openRig();
  const reference = parseReference(`${registry.host}/app:v1`);
  const cases: readonly (readonly [realm: string, body: string, pattern: RegExp])[] = [
    ['http://example.com/token', '', /"http:\/\/example\.com" is not encrypted/],
    ['file:///etc/passwd', '', /not encrypted/],
    ['nonsense', '', /"nonsense" is not an address/],
    [`http://${registry.host}/token`, '<html>', /is not JSON/],
    [`http://${registry.host}/token`, 'null', /contains none/],
    [`http://${registry.host}/token`, '{}', /contains none/],
    [`http://${registry.host}/token`, '{"token":"a\\r\\nb"}', /contains none/],
    [`http://${registry.host}/token`, '{"token":7}', /contains none/],
  ];
  for (const [realm, body, pattern] of cases) {
    registry.disturb(/\/v2\//, 2, status(401, { 'www-authenticate': `Bearer realm="${realm}"` }));
    if (body !== '') registry.disturb(/ \/token/, 2, (_, response) => response.end(body));
    await rejectsWith('registry-error', () => rig.source.resolve(reference, AMD64, {}), pattern);
  }
});

test.run();
