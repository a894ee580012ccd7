/** Blobs on their way from an archive into the content store: kept if an image uses them in the end, removed otherwise. */
import type { ContentStore, ExpectedBlob, StoredBlob } from '../../content/types.ts';
import type { Digest } from '../../core/digest.ts';

export class Staging implements AsyncDisposable {
  readonly content: ContentStore;
  readonly #signal: AbortSignal | undefined;
  /** What was in the store before. */
  readonly #before: ReadonlySet<Digest>;
  readonly #added = new Set<Digest>();

  private constructor(content: ContentStore, signal: AbortSignal | undefined, before: ReadonlySet<Digest>) {
    this.content = content;
    this.#signal = signal;
    this.#before = before;
  }

  static async open(content: ContentStore, signal?: AbortSignal): Promise<Staging> {
    const before = new Set<Digest>();
    for await (const { digest } of content.list()) before.add(digest);
    return new Staging(content, signal, before);
  }

  async write(source: AsyncIterable<Uint8Array>, expected?: ExpectedBlob): Promise<StoredBlob> {
    return this.#noted(await this.content.write(source, expected, this.#signal && { signal: this.#signal }));
  }

  async put(bytes: Uint8Array): Promise<StoredBlob> {
    return this.#noted(await this.content.put(bytes));
  }

  /** Lets go of blobs, so that disposing leaves them alone. */
  keep(digests: Iterable<Digest>): void {
    for (const digest of digests) this.#added.delete(digest);
  }

  #noted(blob: StoredBlob): StoredBlob {
    if (!this.#before.has(blob.digest)) this.#added.add(blob.digest);
    return blob;
  }

  /** Removes what was added and is not kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const digest of this.#added) await this.content.remove(digest);
  }
}
