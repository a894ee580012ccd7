/** Containers of the store's images. */
import { systemHost } from '../container/host.ts';
import { chooseNetwork } from '../container/network.ts';
import { createContainerRunner } from '../container/runner.ts';
import type { ContainerImage, ContainerRequest, ContainerRunner } from '../container/types.ts';
import { compareBytes } from '../core/paths.ts';
import type { Image } from '../image/types.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import { reachableHosts } from '../runtime-native/network.ts';
import { MergedView } from '../snapshot/view.ts';
import { requireImage } from './images.ts';
import { pullImage } from './pull.ts';
import type { Services } from './services.ts';
import type { CallOptions, ContainerSummary, RunOutcome, RunRequest } from './types.ts';

export async function openRunner(services: Services): Promise<ContainerRunner> {
  const [runtime, files] = await Promise.all([services.runtime(), services.files()]);
  return createContainerRunner({ root: services.root, runtime, files, host: systemHost() });
}

/** Runs an image, which is pulled first where `request.pull` says so. */
export async function runContainer(services: Services, request: RunRequest, options: CallOptions): Promise<RunOutcome> {
  await using lease = await services.lease();
  const image = await findOrPull(services, request, options);
  const { image: name, pull: _, network: _wanted, extraHosts: _names, ...rest } = request;
  const runner = await openRunner(services);
  const network = await networkOf(services, runner, request, options);
  const unpacked = await unpackedImage(services, image, name, options);
  const container = { ...rest, ...network };
  // From its record on, a prune sees what the container needs; it may run for days.
  return runner.run(unpacked, container, options.signal, () => lease[Symbol.asyncDispose]());
}

async function networkOf(
  services: Services,
  runner: ContainerRunner,
  { network: wanted, extraHosts, ports = [], publishAll = false }: RunRequest,
  { progress }: CallOptions,
): Promise<Pick<ContainerRequest, 'network' | 'extraHosts' | 'ports' | 'publishAll'>> {
  if (typeof wanted === 'object') return { network: await runner.sharedNetwork(wanted.container), extraHosts };
  const isPublished = ports.length > 0 || publishAll;
  const network = await chooseNetwork(await services.runtime(), wanted, isPublished, progress);
  const published = network.kind === 'bridge' ? { ports, publishAll } : { ports: [], publishAll: false };
  return { network: network.kind, extraHosts: reachableHosts(extraHosts, network), ...published };
}

async function findOrPull(services: Services, request: RunRequest, options: CallOptions): Promise<Image> {
  if (request.pull !== 'always') {
    const found = await services.images.find(request.image);
    if (found || request.pull === 'never') return found ?? requireImage(services, request.image);
  }
  await pullImage(services, request.image, undefined, options);
  return requireImage(services, request.image);
}

async function unpackedImage(
  services: Services,
  image: Image,
  name: string,
  { signal }: CallOptions,
): Promise<ContainerImage> {
  const unpacker = await services.unpacker();
  const ids = await unpacker.unpack(sourceName(name), image.target.digest, { signal });
  const found = await Promise.all(ids.map((id) => services.snapshots.get(id)));
  const snapshots = found.flatMap((snapshot) => snapshot ?? []);
  if (snapshots.length < ids.length) throw new Error('a layer is gone that was unpacked a moment ago');
  return {
    id: image.id,
    name,
    config: image.config,
    layers: snapshots.map(({ dir }) => dir),
    view: () => new MergedView(snapshots),
  };
}

/** The registry name to fetch missing layers by; an ID stands for itself, and its layers are in the store. */
function sourceName(name: string): string {
  return /^(sha256:)?[0-9a-f]{64}$/.test(name) ? name : formatReference(parseReference(name));
}

/** Newest first. */
export async function listContainers(services: Services): Promise<ContainerSummary[]> {
  const found = await (await openRunner(services)).list();
  return found
    .toSorted((a, b) => b.createdAtMs - a.createdAtMs || compareBytes(a.id, b.id))
    .map(({ id, name, image, command, createdAtMs, ports, state }) => ({
      id,
      name,
      image,
      command,
      createdAtMs,
      ports,
      state,
    }));
}

/** The name of a container that uses an image, if there is one. */
export async function userOfImage(services: Services, image: Image): Promise<string | undefined> {
  const found = await (await openRunner(services)).list();
  return found.find(({ imageId }) => imageId === image.id)?.name;
}
