/** What every content store has to do; run by the tests of each. */
import { Readable } from 'node:stream';
import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import type { ContentStore } from '../../src/content/types.ts';
import { digestOf } from '../../src/core/digest.ts';
import { rejectsWith } from '../support/assert.ts';

export interface StoreUnderTest extends AsyncDisposable {
  readonly store: ContentStore;
}

const HELLO = Buffer.from('hello');
const OTHER = digestOf('other');

async function* chunks(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const part of parts) yield typeof part === 'string' ? Buffer.from(part) : part;
}

async function digests(store: ContentStore): Promise<string[]> {
  const out: string[] = [];
  for await (const blob of store.list()) out.push(blob.digest);
  return out;
}

export function testContentStore(name: string, open: () => Promise<StoreUnderTest>): void {
  const test = suite(`content store: ${name}`);

  test('a written blob can be read, opened, counted and listed', async () => {
    await using rig = await open();
    const blob = await rig.store.write(chunks('hel', '', 'lo'), undefined);
    assert.equal(blob, { digest: digestOf(HELLO), sizeBytes: 5 });
    assert.equal(await rig.store.has(blob.digest), true);
    assert.equal(await rig.store.stat(blob.digest), blob);
    assert.equal((await rig.store.read(blob.digest)).toString(), 'hello');
    const opened: Buffer[] = [];
    for await (const chunk of await rig.store.open(blob.digest)) opened.push(chunk as Buffer);
    assert.equal(Buffer.concat(opened).toString(), 'hello');
    assert.equal(await digests(rig.store), [blob.digest]);
  });

  test('an empty blob is a blob', async () => {
    await using rig = await open();
    const blob = await rig.store.write(chunks(), undefined);
    assert.equal(blob, { digest: digestOf(''), sizeBytes: 0 });
    assert.equal((await rig.store.read(blob.digest)).length, 0);
  });

  test('what is not there is undefined to stat and corrupt to open', async () => {
    await using rig = await open();
    assert.equal(await rig.store.has(OTHER), false);
    assert.equal(await rig.store.stat(OTHER), undefined);
    await rejectsWith('store-corrupt', () => rig.store.open(OTHER));
    await rejectsWith('store-corrupt', () => rig.store.read(OTHER));
    assert.equal(await digests(rig.store), []);
  });

  test('other content than expected is refused and not kept', async () => {
    await using rig = await open();
    await rejectsWith('digest-mismatch', () => rig.store.write(chunks('hello'), { digest: OTHER }));
    await rejectsWith('digest-mismatch', () => rig.store.write(chunks('hello'), { digest: OTHER, sizeBytes: 5 }));
    await rejectsWith('size-mismatch', () => rig.store.write(chunks('hel'), { digest: digestOf(HELLO), sizeBytes: 5 }));
    await rejectsWith('size-mismatch', () =>
      rig.store.write(chunks('hello!'), { digest: digestOf(HELLO), sizeBytes: 5 }),
    );
    assert.equal(await digests(rig.store), []);
  });

  test('a source that fails leaves nothing', async () => {
    await using rig = await open();
    async function* failing(): AsyncGenerator<Uint8Array, void, undefined> {
      yield HELLO;
      await Promise.resolve();
      throw new TypeError('line is down');
    }
    const message = await rig.store.write(failing(), { digest: OTHER }).then(
      () => 'written',
      (error: unknown) => String(error),
    );
    assert.is(message, 'TypeError: line is down');
    assert.equal(await digests(rig.store), []);
  });

  test('a blob that is there is not written again, and its source is closed', async () => {
    await using rig = await open();
    const { digest } = await rig.store.put(HELLO);
    const source = Readable.from([Buffer.from('never read')]);
    assert.equal(await rig.store.write(source, { digest, sizeBytes: 5 }), { digest, sizeBytes: 5 });
    assert.equal(source.destroyed, true);
  });

  test('writing the same blob twice at a time is harmless', async () => {
    await using rig = await open();
    const expected = { digest: digestOf(HELLO), sizeBytes: 5 };
    const written = await Promise.all([
      rig.store.write(chunks('hello'), expected),
      rig.store.write(chunks('he', 'llo'), undefined),
      rig.store.put(HELLO),
    ]);
    assert.equal(written, [expected, expected, expected]);
    assert.equal(await digests(rig.store), [expected.digest]);
  });

  test('read takes no more into memory than it is told', async () => {
    await using rig = await open();
    const { digest } = await rig.store.put(HELLO);
    await rejectsWith('limit-exceeded', () => rig.store.read(digest, 4));
    assert.equal((await rig.store.read(digest, 5)).toString(), 'hello');
  });

  test('abort ends a write from a silent source and keeps nothing', async () => {
    await using rig = await open();
    const controller = new AbortController();
    async function* silent(): AsyncGenerator<Uint8Array, void, undefined> {
      yield HELLO;
      await new Promise(() => undefined);
    }
    const writing = rig.store.write(silent(), undefined, {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await rejectsWith('cancelled', () => writing);
    assert.equal(await digests(rig.store), []);
  });

  test('progress counts the bytes so far', async () => {
    await using rig = await open();
    const seen: number[] = [];
    await rig.store.write(chunks('hel', 'lo'), undefined, { onProgress: (bytes) => seen.push(bytes) });
    assert.equal(seen, [3, 5]);
  });

  test('a removed blob is gone, and removing it again is no error', async () => {
    await using rig = await open();
    const { digest } = await rig.store.put(HELLO);
    await rig.store.remove(digest);
    await rig.store.remove(digest);
    assert.equal(await rig.store.has(digest), false);
  });

  test.run();
}
