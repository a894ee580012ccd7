/** `RUN --mount`: options to mounts of an exec operation. */
import { unreachable } from '../../core/exhaustive.ts';
import { baseName, cleanPath, joinPath, rootedPath } from '../../core/paths.ts';
import type { MountFlag, RunInstruction } from '../../parser/types.ts';
import type { ExecMount, Op } from '../../solver/op.ts';
import type { Vertex } from '../../solver/types.ts';
import { invalidMount } from '../errors.ts';
import type { Source } from '../reach.ts';
import type { StepContext } from './context.ts';
import type { MountOptions } from './mount-options.ts';
import { readMountOptions } from './mount-options.ts';

/** The vertices that an operation works on; input 0 is there from the start. */
export class Inputs {
  readonly #vertices: Vertex<Op>[];

  constructor(root: Vertex<Op>) {
    this.#vertices = [root];
  }

  get vertices(): readonly Vertex<Op>[] {
    return this.#vertices;
  }

  /** The index of `vertex`, never 0: what an operation reads is told apart from what it changes. */
  add(vertex: Vertex<Op>): number {
    const known = this.#vertices.indexOf(vertex, 1);
    return known > 0 ? known : this.#vertices.push(vertex) - 1;
  }
}

/** The mounts of a RUN in the order of its flags; what they read is added to `inputs`. Throws `invalid-flag`. */
export function convertMounts(step: StepContext, instruction: RunInstruction, inputs: Inputs): ExecMount[] {
  let agents = 0;
  return instruction.mounts.map((flag, index) => {
    const options = readMountOptions(flag, step.stage.scope);
    const source = step.sources[index];
    if (source === undefined) throw new Error('A mount has no source');
    const mount = new MountConverter(step, flag, options);
    switch (options.type) {
      case 'bind':
        return mount.bind(inputs.add(step.stage.sources.of(source)));
      case 'cache':
        return mount.cache(seedOf(step, options, source, inputs));
      case 'tmpfs':
        return mount.tmpfs();
      case 'secret':
        return mount.secret();
      case 'ssh':
        return mount.ssh(agents++);
      default:
        return unreachable(options.type);
    }
  });
}

/** The input that a cache begins as; without `from` it begins empty. */
function seedOf({ stage }: StepContext, { from }: MountOptions, source: Source, inputs: Inputs): number | undefined {
  if (from === undefined || from === '' || source.kind === 'scratch') return undefined;
  return inputs.add(stage.sources.of(source));
}

class MountConverter {
  readonly #step: StepContext;
  readonly #flag: MountFlag;
  readonly #options: MountOptions;

  constructor(step: StepContext, flag: MountFlag, options: MountOptions) {
    this.#step = step;
    this.#flag = flag;
    this.#options = options;
  }

  bind(input: number): ExecMount {
    const { readonly } = this.#options;
    return { kind: 'bind', target: this.#target(), input, source: this.#source(), readonly: readonly ?? true };
  }

  cache(input: number | undefined): ExecMount {
    const { options } = this.#step.stage;
    const { id, sharing, readonly, mode, uid, gid, target } = this.#options;
    const namespace = options.buildArgs.get('BUILDKIT_CACHE_MOUNT_NS');
    // The target as written, so that RUNs with different working directories can share a cache.
    const ownId = id === undefined || id === '' ? cleanPath(target ?? '') : id;
    return {
      kind: 'cache',
      target: this.#target(),
      id: namespace === undefined || namespace === '' ? ownId : `${namespace}/${ownId}`,
      sharing: sharing ?? 'shared',
      readonly: readonly ?? false,
      mode: mode ?? 0o755,
      uid: uid ?? 0,
      gid: gid ?? 0,
      ...(input !== undefined && { input }),
      source: this.#source(),
    };
  }

  tmpfs(): ExecMount {
    const { sizeBytes, readonly } = this.#options;
    return {
      kind: 'tmpfs',
      target: this.#target(),
      ...(sizeBytes !== undefined && { sizeBytes }),
      ...(readonly === true && { readonly }),
    };
  }

  secret(): ExecMount {
    const { id, source, target, env, required, mode, uid, gid } = this.#options;
    if (isGiven(id) && isGiven(source)) throw invalidMount('a secret takes "id" or "source", not both', this.#flag);
    const name = firstGiven(source, id, target === undefined ? undefined : baseName(target));
    if (name === undefined) throw invalidMount('a secret needs "id" or "target": want id=NAME', this.#flag);
    const file = isGiven(target) ? this.#target() : isGiven(env) ? undefined : `/run/secrets/${baseName(name)}`;
    return {
      kind: 'secret',
      id: name,
      ...(file !== undefined && { target: file }),
      ...(isGiven(env) && { env }),
      required: required ?? false,
      mode: mode ?? 0o400,
      uid: uid ?? 0,
      gid: gid ?? 0,
    };
  }

  ssh(number: number): ExecMount {
    const { id, target, required, mode, uid, gid } = this.#options;
    return {
      kind: 'ssh',
      id: firstGiven(id) ?? 'default',
      target: isGiven(target) ? this.#target() : `/run/buildkit/ssh_agent.${number}`,
      required: required ?? false,
      mode: mode ?? 0o600,
      uid: uid ?? 0,
      gid: gid ?? 0,
    };
  }

  /** Relative to WORKDIR, which it is itself when none is given. */
  #target(): string {
    const target = joinPath(this.#step.stage.draft.workingDir, this.#options.target ?? '');
    if (target !== '/') return target;
    if (this.#options.target === undefined) throw invalidMount('it has no "target": want target=PATH', this.#flag);
    throw invalidMount('its target cannot be "/"', this.#flag);
  }

  #source(): string {
    return rootedPath(this.#options.source ?? '');
  }
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}

function firstGiven(...texts: readonly (string | undefined)[]): string | undefined {
  return texts.find(isGiven);
}
