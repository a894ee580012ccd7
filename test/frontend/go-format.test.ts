import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goDuration, goList, goQuote, goQuoteList, goQuoteRune } from '../../src/frontend/go-format.ts';

const test = suite('go formats');

test('goQuote() escapes as Go does', () => {
  assert.is(goQuote('a"b\\c'), String.raw`"a\"b\\c"`);
  assert.is(goQuote('\u0007\b\f\n\r\t\v\u0001\u007f'), String.raw`"\a\b\f\n\r\t\v\x01\x7f"`);
  assert.is(goQuote('日本 é €'), '"日本 é €"');
  assert.is(goQuote('\u00a0\u200b\u{e0001}'), String.raw`"\u00a0\u200b\U000e0001"`);
});

test('goQuoteRune() prints the character of a number', () => {
  assert.equal([0, 4, 34, 39, 65, 0x65e5, -1 >>> 0].map(goQuoteRune), [
    String.raw`'\x00'`,
    String.raw`'\x04'`,
    `'"'`,
    String.raw`'\''`,
    `'A'`,
    `'日'`,
    `'\ufffd'`,
  ]);
});

test('goQuote() agrees with JSON on printable ASCII', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[ -~]*$/), (text) => assert.is(goQuote(text), JSON.stringify(text))),
    { numRuns: 50 },
  );
});

test('lists have blanks between their members', () => {
  assert.is(goList(['a', 'b c']), '[a b c]');
  assert.is(goQuoteList(['a', 'b c']), '["a" "b c"]');
  assert.is(goQuoteList([]), '[]');
});

test('goDuration() prints the units that Go prints', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0s'],
    [7, '7ns'],
    [1500, '1.5µs'],
    [500e6, '500ms'],
    [1.5e9, '1.5s'],
    [90e9, '1m30s'],
    [300e9, '5m0s'],
    [3720e9, '1h2m0s'],
    [3600e9 * 25 + 5e8, '25h0m0.5s'],
  ];
  for (const [nanoseconds, expected] of cases) assert.is(goDuration(nanoseconds), expected);
});

test.run();
