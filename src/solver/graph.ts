/** Building the graph: equal operations on equal inputs are one vertex. */
import { canonicalJson } from '../core/canonical.ts';
import type { Digest } from '../core/digest.ts';
import { digestOf } from '../core/digest.ts';
import type { SourceRange } from '../core/source.ts';
import type { Vertex } from './types.ts';

export interface VertexInit<O> {
  readonly op: O;
  readonly inputs: readonly Vertex<O>[];
  readonly name: string;
  readonly locations?: readonly SourceRange[];
  readonly ignoreCache?: boolean;
}

/**
 * Makes vertices. Inputs exist before what uses them, so the graph cannot have a cycle.
 *
 * Of two equal vertices the first one stays, with its name; if either ignores the cache, so does a vertex of its own.
 */
export class GraphBuilder<O> {
  readonly #vertices = new Map<string, Vertex<O>>();

  add(init: VertexInit<O>): Vertex<O> {
    const digest = vertexDigest(init.op, init.inputs);
    const ignoreCache = init.ignoreCache === true;
    const key = `${digest} ${ignoreCache}`;
    const known = this.#vertices.get(key);
    if (known) return known;
    const vertex: Vertex<O> = {
      digest,
      op: init.op,
      inputs: init.inputs,
      name: init.name,
      locations: init.locations ?? [],
      ignoreCache,
    };
    this.#vertices.set(key, vertex);
    return vertex;
  }
}

function vertexDigest(op: unknown, inputs: readonly Vertex<unknown>[]): Digest {
  return digestOf(
    canonicalJson({
      version: 'tsbuild.vertex.v1',
      op,
      inputs: inputs.map((input) => [input.digest, input.ignoreCache]),
    }),
  );
}

/** Every vertex that `target` needs, itself included, inputs before what uses them. */
export function topologicalOrder<O>(target: Vertex<O>): Vertex<O>[] {
  const order: Vertex<O>[] = [];
  const seen = new Set<Vertex<O>>();
  // Iterative: a chain of thousands of steps must not exhaust the stack.
  const pending: { vertex: Vertex<O>; expanded: boolean }[] = [{ vertex: target, expanded: false }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    if (next.expanded) {
      order.push(next.vertex);
      continue;
    }
    if (seen.has(next.vertex)) continue;
    seen.add(next.vertex);
    pending.push({ vertex: next.vertex, expanded: true });
    for (const input of next.vertex.inputs.toReversed()) pending.push({ vertex: input, expanded: false });
  }
  return order;
}
