import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parsePorts } from '../../../src/frontend/convert/ports.ts';

const test = suite('ports');

const position = { line: 1, column: 1 };
const word = { text: '', range: { file: { name: 'Dockerfile', text: '' }, start: position, end: position } };

test('parsePorts() reads ports, ranges, protocols and mappings', () => {
  assert.equal(parsePorts('80', word), ['80/tcp']);
  assert.equal(parsePorts('53/UDP', word), ['53/udp']);
  assert.equal(parsePorts('1/', word), ['1/tcp']);
  assert.equal(parsePorts('+80', word), ['80/tcp']);
  assert.equal(parsePorts('0000080-81', word), ['80/tcp', '81/tcp']);
  assert.equal(parsePorts('8000-8002/sctp', word), ['8000/sctp', '8001/sctp', '8002/sctp']);
  assert.equal(parsePorts('127.0.0.1:80:8080', word), ['8080/tcp']);
  assert.equal(parsePorts('[::1]:80-90:8080', word), ['8080/tcp']);
  assert.equal(parsePorts('::1:80:8080/udp', word), ['8080/udp']);
});

test('parsePorts() says what is wrong', () => {
  for (const [text, message] of [
    ['', 'want a port'],
    ['eighty', 'want a port'],
    ['65536', 'want a port'],
    ['9-8', 'want a port'],
    ['1-2-3', 'want a port'],
    ['-1', 'want a port'],
    ['80/icmp', 'unknown protocol "icmp"'],
    ['x:80', '"x" is not a port'],
    ['1-3:1-2', 'differ in length'],
    ['300.1.1.1:80:80', 'not an IP address'],
  ] as const) {
    assert.throws(
      () => parsePorts(text, word),
      (error: Error) => error.message.includes(message),
      text,
    );
  }
});

test('parsePorts() lists every port of a range once and in order', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 65000 }), fc.nat(100), (first, count) => {
      const ports = parsePorts(`${first}-${first + count}`, word);
      assert.equal(
        ports,
        Array.from({ length: count + 1 }, (_, i) => `${first + i}/tcp`),
      );
    }),
    { numRuns: 30 },
  );
});

test.run();
