/**
 * Images' documents as bytes, always the same for the same content: fields in the order in which Docker and BuildKit write them, maps
 * sorted, what is absent left out.
 */
import { compareBytes } from '../core/paths.ts';
import type { ContainerConfig, Descriptor, HealthConfig, HistoryEntry, ImageConfig, Manifest } from '../oci/types.ts';
import { MediaType } from '../oci/types.ts';

export function encodeConfig(config: ImageConfig): Buffer {
  return encode({
    architecture: config.architecture,
    author: config.author,
    config: containerConfig(config.config ?? {}),
    created: config.created,
    history: (config.history ?? []).map(historyEntry),
    os: config.os,
    'os.features': config['os.features'],
    'os.version': config['os.version'],
    rootfs: { type: 'layers', diff_ids: config.rootfs.diff_ids },
    variant: config.variant,
  });
}

/** An OCI manifest, whatever the base's was. */
export function encodeManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
  annotations: ReadonlyMap<string, string> = new Map(),
): Buffer {
  const manifest: Manifest = { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers };
  return encode({
    schemaVersion: manifest.schemaVersion,
    mediaType: manifest.mediaType,
    config: plainDescriptor(config),
    layers: layers.map(plainDescriptor),
    ...(annotations.size > 0 && { annotations: sorted(Object.fromEntries(annotations)) }),
  });
}

function containerConfig(config: ContainerConfig): object {
  return {
    User: config.User,
    ExposedPorts: sorted(config.ExposedPorts),
    Env: config.Env,
    Entrypoint: config.Entrypoint ?? undefined,
    Cmd: config.Cmd ?? undefined,
    Volumes: sorted(config.Volumes),
    WorkingDir: config.WorkingDir,
    Labels: sorted(config.Labels),
    StopSignal: config.StopSignal,
    ArgsEscaped: config.ArgsEscaped,
    Healthcheck: config.Healthcheck && health(config.Healthcheck),
    OnBuild: config.OnBuild,
    Shell: config.Shell,
  };
}

function health(config: HealthConfig): HealthConfig {
  const { Test, Interval, Timeout, StartPeriod, StartInterval, Retries } = config;
  return {
    ...(Test && { Test }),
    ...(Interval !== undefined && { Interval }),
    ...(Timeout !== undefined && { Timeout }),
    ...(StartPeriod !== undefined && { StartPeriod }),
    ...(StartInterval !== undefined && { StartInterval }),
    ...(Retries !== undefined && { Retries }),
  };
}

function historyEntry(entry: HistoryEntry): object {
  return {
    created: entry.created,
    created_by: entry.created_by,
    author: entry.author,
    comment: entry.comment,
    empty_layer: entry.empty_layer === true ? true : undefined,
  };
}

/** `data` of a descriptor and the like are not carried over: they are about somebody else's manifest. */
function plainDescriptor({ mediaType, digest, size, urls, annotations }: Descriptor): object {
  return { mediaType, digest, size, urls, annotations: sorted(annotations) };
}

function sorted<T>(map: Readonly<Record<string, T>> | undefined): Record<string, T> | undefined {
  return map && Object.fromEntries(Object.entries(map).sort(([a], [b]) => compareBytes(a, b)));
}

/** `undefined` leaves a field out. */
function encode(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}
