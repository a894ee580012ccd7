import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parsePublish } from '../../src/cli/publish-option.ts';
import { BuildError } from '../../src/core/errors.ts';

const test = suite('parsePublish()');
const ANY = '0.0.0.0';

test('reads every form', () => {
  assert.equal(parsePublish('80'), [{ protocol: 'tcp', hostAddress: ANY, containerPort: 80 }]);
  assert.equal(parsePublish('8080:80'), [{ protocol: 'tcp', hostAddress: ANY, containerPort: 80, hostPort: 8080 }]);
  assert.equal(parsePublish('53:53/udp'), [{ protocol: 'udp', hostAddress: ANY, containerPort: 53, hostPort: 53 }]);
  assert.equal(parsePublish('127.0.0.1::80'), [{ protocol: 'tcp', hostAddress: '127.0.0.1', containerPort: 80 }]);
  assert.equal(parsePublish('10.0.0.1:1:2/tcp'), [
    { protocol: 'tcp', hostAddress: '10.0.0.1', containerPort: 2, hostPort: 1 },
  ]);
});

test('makes one of each port of a range', () => {
  const ports = parsePublish('9000-9002:80-82').map(({ hostPort, containerPort }) => [hostPort, containerPort]);
  assert.equal(ports, [
    [9000, 80],
    [9001, 81],
    [9002, 82],
  ]);
  assert.is(parsePublish('80-89').length, 10);
});

test('refuses what is malformed or not supported, and says which', () => {
  const codeOf = (text: string): string => {
    try {
      parsePublish(text);
      return 'none';
    } catch (error) {
      return error instanceof BuildError ? error.code : String(error);
    }
  };
  const malformed = ['', '0', '65536', 'a', '80/icmp', '80/tcp/x', '1:2:3:4', 'x:1:2', '2-1', '1-2:1-3', '-1', '1-2-3'];
  for (const text of malformed) assert.is(codeOf(text), 'usage', text);
  for (const text of ['80/sctp', '[::1]:80:80', '8000-8010:80']) assert.is(codeOf(text), 'unsupported', text);
});

test('gives back any port that it is given, or an error of its own', () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  fc.assert(
    fc.property(
      port,
      port,
      fc.constantFrom('tcp', 'udp'),
      fc.ipV4(),
      (hostPort, containerPort, protocol, hostAddress) => {
        const [parsed, ...others] = parsePublish(`${hostAddress}:${hostPort}:${containerPort}/${protocol}`);
        assert.equal(parsed, { protocol, hostAddress, containerPort, hostPort });
        assert.is(others.length, 0);
      },
    ),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parsePublish(text);
      } catch (error) {
        assert.instance(error, BuildError);
      }
    }),
  );
});

test.run();
