/** What a client brings to a build besides the context and the Dockerfile: named contexts, secrets, agents, names of hosts. */
import { BuildError } from '../core/errors.ts';
import { withoutPassword } from '../core/redact.ts';
import type { FileTree } from '../core/tree.ts';
import type { SecretSource, SshAgent } from '../executor/types.ts';
import type { CompileOptions, NamedContext } from '../frontend/types.ts';
import type { Bases } from './bases.ts';
import { openContextDirectory } from './inputs.ts';
import type { Remotes } from './remotes.ts';
import type { Services } from './services.ts';
import type { ClientSide } from './solve.ts';
import type { BuildRequest, NamedContextSource } from './types.ts';

export interface OpenedClientSide extends ClientSide {
  readonly compileOptions: Pick<
    CompileOptions,
    'contexts' | 'entitlements' | 'extraHosts' | 'shmSizeBytes' | 'ulimits' | 'noCacheStages'
  >;
}

export interface ClientSideOptions {
  /** The build context. */
  readonly context: FileTree;
  readonly secrets: ReadonlyMap<string, SecretSource>;
  readonly sshAgents: ReadonlyMap<string, SshAgent>;
  readonly remotes: Remotes;
  /** Learns of the images that contexts bring along. */
  readonly bases: Bases;
  readonly signal: AbortSignal;
}

/** Opens directories; images are looked up when they are used. Throws `context-not-found`. */
export async function openClientSide(
  services: Services,
  request: BuildRequest,
  { context, secrets, sshAgents, remotes, bases, signal }: ClientSideOptions,
): Promise<OpenedClientSide> {
  const { shmSizeBytes, ulimits, entitlements, noCacheStages, resources, extraHosts = [] } = request;
  const locals = new Map([['context', context]]);
  const contexts = new Map<string, NamedContext>();
  for (const [name, source] of request.namedContexts ?? []) {
    contexts.set(name, await openNamed(services, name, source, { locals, bases, remotes, signal }));
  }
  return {
    locals,
    session: { secrets, sshAgents, extraHosts, ...(resources !== undefined && { resources }) },
    remotes,
    compileOptions: {
      contexts,
      extraHosts: [...new Set(extraHosts.map(({ name }) => name))],
      ...(shmSizeBytes !== undefined && { shmSizeBytes }),
      ...(ulimits !== undefined && { ulimits }),
      ...(entitlements !== undefined && { entitlements }),
      ...(noCacheStages !== undefined && { noCacheStages }),
    },
  };
}

/** Reads the secrets of a build, once. Throws `source-not-found` and `limit-exceeded`. */
export async function openSecrets(
  inputs: BuildRequest['secrets'],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, SecretSource>> {
  if (inputs === undefined || inputs.size === 0) return new Map();
  const secrets = await import('./secrets.ts');
  return secrets.readSecrets(inputs, signal);
}

async function openNamed(
  services: Services,
  name: string,
  source: NamedContextSource,
  {
    locals,
    bases,
    remotes,
    signal,
  }: Omit<ClientSideOptions, 'context' | 'secrets' | 'sshAgents'> & { readonly locals: Map<string, FileTree> },
): Promise<NamedContext> {
  switch (source.kind) {
    case 'directory':
      locals.set(name, await openContextDirectory(source.path));
      return { kind: 'local' };
    case 'remote': {
      const { tree, dockerfile } = await remotes.context(source.url, { keepGitDir: false, signal });
      if (dockerfile !== undefined) {
        throw new BuildError(
          'context-not-found',
          `Cannot use "${withoutPassword(source.url)}" as the build context "${name}": it is not an archive`,
        );
      }
      locals.set(name, tree);
      return { kind: 'local' };
    }
    case 'image':
      return { kind: 'image', reference: source.reference };
    case 'target':
      return { kind: 'stage', name: source.stage };
    case 'oci-layout': {
      const reference = bases.addSource(name, async (platform) => {
        const { loadLayoutImage } = await import('../image/archive/layout-image.ts');
        return loadLayoutImage(services.content, source, { platform, signal });
      });
      return { kind: 'image', reference };
    }
  }
}
