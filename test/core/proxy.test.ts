import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import { curlProxyEnvironment, proxyRule } from '../../src/core/proxy.ts';

const test = suite('proxies of the environment');

const P = 'http://p:1';

function route(env: Record<string, string>, url: string): string | undefined {
  return proxyRule(env)?.(new URL(url))?.href;
}

test('there is no rule without a proxy', () => {
  assert.is(proxyRule({ NO_PROXY: '*', HTTP_PROXY: ' ' }), undefined);
});

test('each scheme has its proxy, in either spelling, and one may serve all', () => {
  for (const name of ['HTTP_PROXY', 'http_proxy']) {
    assert.is(route({ [name]: P }, 'http://h/'), `${P}/`);
    assert.is(route({ [name]: P }, 'https://h/'), undefined);
  }
  for (const name of ['HTTPS_PROXY', 'https_proxy']) {
    assert.is(route({ [name]: P }, 'https://h/'), `${P}/`);
    assert.is(route({ [name]: P }, 'http://h/'), undefined);
  }
  for (const name of ['ALL_PROXY', 'all_proxy']) {
    for (const url of ['http://h/', 'https://h/']) assert.is(route({ [name]: P }, url), `${P}/`);
  }
  assert.is(route({ HTTP_PROXY: 'http://a', http_proxy: 'http://b', ALL_PROXY: 'http://c' }, 'http://h/'), 'http://a/');
  assert.is(route({ HTTP_PROXY: 'u:p@a:2' }, 'http://h/'), 'http://u:p@a:2/');
});

for (const [list, direct, proxied] of [
  ['*', ['http://h/'], []],
  ['a.test', ['http://a.test/', 'https://b.a.test:9/', 'http://A.TEST./'], ['http://ba.test/', 'http://test/']],
  ['.a.test', ['http://b.a.test/'], ['http://a.test/']],
  ['*.a.test', ['http://b.a.test/'], ['http://a.test/']],
  ['a.test:80', ['http://a.test/', 'https://a.test:80/'], ['https://a.test/', 'http://a.test:81/']],
  ['10.0.0.0/8', ['http://10.1.2.3:5/'], ['http://11.1.2.3/', 'http://ten.test/']],
  ['10.1.2.3', ['http://10.1.2.3/'], ['http://10.1.2.4/']],
  ['fd00::/8,[2001:db8::1]:80', ['http://[fd00::1]/', 'http://[2001:db8::1]/'], ['http://[2001:db8::1]:81/']],
  [' x.test , a.test,', ['http://a.test/', 'http://x.test/'], ['http://b.test/']],
  ['10.0.0.0/99,a.test/b', [], ['http://10.0.0.1/', 'http://a.test/']],
] as const) {
  test(`NO_PROXY=${list}`, () => {
    const env = { ALL_PROXY: P, no_proxy: list };
    for (const url of direct) assert.is(route(env, url), undefined, url);
    for (const url of proxied) assert.is(route(env, url), `${P}/`, url);
  });
}

test('this machine itself never takes a proxy', () => {
  for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '[::1]', 'localhost:8080']) {
    assert.is(route({ ALL_PROXY: P }, `http://${host}/`), undefined, host);
  }
});

for (const [value, code] of [
  ['http://us:secret@[', 'invalid-argument'],
  ['socks5://us:secret@h', 'unsupported-feature'],
] as const) {
  test(`a proxy such as ${value} is refused without its password`, () => {
    try {
      route({ https_proxy: value }, 'https://h/');
    } catch (error) {
      assert.instance(error, BuildError);
      assert.is((error as BuildError).code, code);
      assert.match((error as BuildError).message, '$https_proxy');
      return assert.not.match(`${(error as BuildError).message} ${(error as BuildError).hint}`, 'secret');
    }
    assert.unreachable('nothing was thrown');
  });
}

test('curl gets the same settings in its spelling', () => {
  assert.equal(curlProxyEnvironment({ NO_PROXY: 'x', PATH: '/bin' }), {});
  assert.equal(curlProxyEnvironment({ HTTP_PROXY: 'a', https_proxy: 'b', All_Proxy: 'c', NO_PROXY: 'x,y' }), {
    http_proxy: 'a',
    https_proxy: 'b',
    no_proxy: 'x,y,localhost,127.0.0.1,::1',
  });
  assert.is(curlProxyEnvironment({ ALL_PROXY: 'a' })['no_proxy'], 'localhost,127.0.0.1,::1');
});

test.run();
