/**
 * V8 frees the bytes of buffers with the objects that hold them, and collects those when its own heap asks for it: a stream of large
 * chunks leaves tens of megabytes behind before that. This collects young objects whenever so much has gone by.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const BYTES_BETWEEN = 2 << 20;

type Collect = (options: { readonly type: 'minor' }) => void;
let collect: Collect | undefined;

export class YoungGarbage {
  private bytes = 0;

  /** Tells that a chunk of this size has been done with. */
  add(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes < BYTES_BETWEEN) return;
    this.bytes = 0;
    collect ??= exposed();
    collect({ type: 'minor' });
  }
}

/** New contexts have `gc` once the flag is set; ours was made before. */
function exposed(): Collect {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return gc;
}
