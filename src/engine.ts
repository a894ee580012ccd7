/**
 * The composition root: one engine over one store. Every part is wired here and in `engine/services.ts`; what a call does not need is not loaded.
 */
import type { BuildInspector, Engine, EngineOptions } from './engine/types.ts';
import { openServices } from './engine/services.ts';

/** Answers questions about builds; opens nothing. */
export const inspector: BuildInspector = {
  async check(request, options) {
    const { checkBuild } = await import('./engine/call.ts');
    return checkBuild(request, options);
  },
  async outline(request, options) {
    const { outlineBuild } = await import('./engine/call.ts');
    return outlineBuild(request, options);
  },
  async targets(request, options) {
    const { listBuildTargets } = await import('./engine/call.ts');
    return listBuildTargets(request, options);
  },
};

/** Runs the native runtime's OCI commands on the stdio of this process; resolves with the exit status. */
export async function runNativeRuntime(args: readonly string[]): Promise<number> {
  const { runOci } = await import('./runtime-native/oci.ts');
  return runOci(args);
}

/** Opens the store at `options.root`. Throws `store-unwritable` or `store-full` if it cannot be made. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const services = await openServices(options);
  return {
    async build(request, call) {
      const { build } = await import('./engine/build.ts');
      return build(services, request, call);
    },
    async run(request, call) {
      const { runContainer } = await import('./engine/containers.ts');
      return runContainer(services, request, call);
    },
    async containers() {
      const { listContainers } = await import('./engine/containers.ts');
      return listContainers(services);
    },
    async containerPorts(nameOrId) {
      const { openRunner } = await import('./engine/containers.ts');
      return (await (await openRunner(services)).find(nameOrId)).ports;
    },
    async removeContainer(nameOrId, force) {
      const { openRunner } = await import('./engine/containers.ts');
      return (await openRunner(services)).remove(nameOrId, force);
    },
    async images() {
      const { listImages } = await import('./engine/images.ts');
      return listImages(services);
    },
    async tag(source, target) {
      const { tagImage } = await import('./engine/images.ts');
      return tagImage(services, source, target);
    },
    async removeImage(nameOrId, force) {
      const [{ removeImage }, { userOfImage }] = await Promise.all([
        import('./engine/images.ts'),
        import('./engine/containers.ts'),
      ]);
      return removeImage(services, nameOrId, force, (image) => userOfImage(services, image));
    },
    async inspect(nameOrId) {
      const { inspectImage } = await import('./engine/images.ts');
      return inspectImage(services, nameOrId);
    },
    async history(nameOrId) {
      const { imageHistory } = await import('./engine/images.ts');
      return imageHistory(services, nameOrId);
    },
    async save(names, output, call) {
      const { saveImages } = await import('./engine/transfer.ts');
      return saveImages(services, names, output, call);
    },
    async load(input, call) {
      const { loadImages } = await import('./engine/transfer.ts');
      return loadImages(services, input, call);
    },
    async import(input, reference, changes, call) {
      const { importRootfs } = await import('./engine/import.ts');
      return importRootfs(services, input, reference, changes, call);
    },
    async pull(reference, platform, call) {
      const { pullImage } = await import('./engine/pull.ts');
      return pullImage(services, reference, platform, call);
    },
    async prune(request, call) {
      const { prune } = await import('./engine/prune.ts');
      return prune(services, request, call);
    },
    [Symbol.asyncDispose]: () => services.close(),
  };
}
