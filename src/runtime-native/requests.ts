/** Questions to a running container, each answered by a status record with its number. See c/container_request.c. */
import { BuildError } from '../core/errors.ts';
import { parseStats } from './stats.ts';
import type { StatusRecord } from './status.ts';
import { requestError } from './status.ts';
import type { RunningContainer } from './types.ts';

/** enum container_request of c/container.h. */
const RequestKind = { stats: 1, pause: 2, unpause: 3 } as const;

export type Answer = Extract<StatusRecord, { readonly kind: 'answer' }>;

interface Asked {
  /** What was to be done to the container. */
  readonly what: string;
  readonly resolve: (text: string) => void;
  readonly reject: (error: BuildError) => void;
}

/** The open questions to one container. */
export class Requests {
  readonly #asked = new Map<number, Asked>();
  readonly #send: (kind: number, number: number) => void;
  #last = 0;
  #ended = false;

  constructor(send: (kind: number, number: number) => void) {
    this.#send = send;
  }

  /** What a caller may do with the container besides signals. */
  readonly methods: Pick<RunningContainer, 'stats' | 'pause' | 'unpause'> = {
    stats: async () => parseStats(await this.#ask(RequestKind.stats, 'read the statistics of')),
    pause: async () => void (await this.#ask(RequestKind.pause, 'pause')),
    unpause: async () => void (await this.#ask(RequestKind.unpause, 'unpause')),
  };

  answer({ request, errno, detail }: Answer): void {
    const asked = this.#asked.get(request);
    this.#asked.delete(request);
    if (errno === 0) asked?.resolve(detail);
    else asked?.reject(requestError(asked.what, { errno, detail }));
  }

  /** Nobody is left to answer. */
  end(): void {
    this.#ended = true;
    for (const { reject } of this.#asked.values()) reject(notRunning());
    this.#asked.clear();
  }

  async #ask(kind: number, what: string): Promise<string> {
    if (this.#ended) throw notRunning();
    const number = ++this.#last;
    return await new Promise<string>((resolve, reject) => {
      this.#asked.set(number, { what, resolve, reject });
      this.#send(kind, number);
    });
  }
}

function notRunning(): BuildError {
  return new BuildError('container-not-running', 'The container does not run');
}
