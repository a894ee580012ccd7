/** What the commands of one build share and leave behind: files for /etc, copies of the context for mounts, secrets in memory. */
import { ContextMounts } from './context-mounts.ts';
import { RootfsFiles } from './rootfs-files.ts';
import { SecretFiles } from './secret-files.ts';
import { StepNetworks } from './step-network.ts';
import type { ExecutorDeps } from './types.ts';
import { CacheMounts } from './cache-mounts.ts';

export class SessionResources implements AsyncDisposable {
  readonly etc = new RootfsFiles();
  readonly secrets = new SecretFiles();
  readonly contexts: ContextMounts;
  readonly caches: CacheMounts;
  readonly networks: StepNetworks;

  constructor(deps: ExecutorDeps) {
    this.contexts = new ContextMounts(deps);
    this.caches = new CacheMounts(deps);
    this.networks = new StepNetworks(deps.runtime, deps.onWarning);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([
      this.etc[Symbol.asyncDispose](),
      this.secrets[Symbol.asyncDispose](),
      this.contexts[Symbol.asyncDispose](),
    ]);
  }
}
