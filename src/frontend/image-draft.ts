/** The configuration of the image that a stage is making: what its base says, changed instruction by instruction. */
import { compareBytes } from '../core/paths.ts';
import type { Platform } from '../core/platform.ts';
import type { ContainerConfig, HealthConfig, ImageConfig } from '../oci/types.ts';
import type { BuildPlan, PlannedHistory } from './types.ts';

/** What PATH is when nobody says. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const HISTORY_COMMENT = 'buildkit.dockerfile.v0';

export class ImageDraft {
  author: string | undefined;
  platform: Platform;
  user: string;
  /** Empty when neither the base nor a WORKDIR says. */
  workingDir: string;
  entrypoint: readonly string[];
  cmd: readonly string[];
  shell: readonly string[];
  stopSignal: string | undefined;
  argsEscaped: boolean;
  healthcheck: HealthConfig | undefined;
  readonly exposedPorts: Set<string>;
  readonly volumes: Set<string>;
  readonly labels: Map<string, string>;
  /** Triggers for who builds on this. */
  readonly onBuild: string[];
  readonly history: PlannedHistory[];
  /** A name that is set again keeps its place. */
  readonly #env: Map<string, string>;
  readonly #osFields: Pick<ImageConfig, 'os.version' | 'os.features'>;

  private constructor(from: ImageConfig, history: readonly PlannedHistory[]) {
    const config = from.config ?? {};
    this.author = from.author;
    this.platform = platformOf(from);
    this.user = config.User ?? '';
    this.workingDir = config.WorkingDir ?? '';
    this.entrypoint = config.Entrypoint ?? [];
    this.cmd = config.Cmd ?? [];
    this.shell = config.Shell ?? [];
    this.stopSignal = config.StopSignal ?? undefined;
    this.argsEscaped = config.ArgsEscaped ?? false;
    this.healthcheck = config.Healthcheck ?? undefined;
    this.exposedPorts = new Set(Object.keys(config.ExposedPorts ?? {}));
    this.volumes = new Set(Object.keys(config.Volumes ?? {}));
    this.labels = new Map(Object.entries(config.Labels ?? {}));
    this.onBuild = [];
    this.history = [...history];
    this.#env = new Map((config.Env ?? []).map(splitVariable));
    if (!this.#env.has('PATH') && from.os !== 'windows') this.#env.set('PATH', DEFAULT_PATH);
    this.#osFields = {
      ...(from['os.version'] !== undefined && { 'os.version': from['os.version'] }),
      ...(from['os.features'] !== undefined && { 'os.features': from['os.features'] }),
    };
  }

  /** On `FROM scratch`. */
  static empty(platform: Platform): ImageDraft {
    return new ImageDraft({ ...platform, config: { WorkingDir: '/' }, rootfs: { type: 'layers', diff_ids: [] } }, []);
  }

  /** On an image; its triggers are not kept. */
  static from(config: ImageConfig): ImageDraft {
    return new ImageDraft(config, []);
  }

  /** On another stage; its triggers are not kept. */
  static continuing(parent: ImageDraft): ImageDraft {
    return new ImageDraft({ ...parent.toConfig(), rootfs: { type: 'layers', diff_ids: [] } }, parent.history);
  }

  /** In the order of the image's Env. */
  environment(): readonly (readonly [string, string])[] {
    return [...this.#env];
  }

  setEnv(name: string, value: string): void {
    this.#env.set(name, value);
  }

  addHistory(createdBy: string, madeLayer: boolean): void {
    this.history.push({ createdBy, comment: HISTORY_COMMENT, emptyLayer: !madeLayer });
  }

  /** Members without a value are left out; maps are sorted. */
  toConfig(): BuildPlan['config'] {
    const config: ContainerConfig = {
      ...(this.user !== '' && { User: this.user }),
      ...(this.exposedPorts.size > 0 && { ExposedPorts: emptyValues(this.exposedPorts) }),
      Env: [...this.#env].map(([name, value]) => `${name}=${value}`),
      ...(this.entrypoint.length > 0 && { Entrypoint: this.entrypoint }),
      ...(this.cmd.length > 0 && { Cmd: this.cmd }),
      ...(this.volumes.size > 0 && { Volumes: emptyValues(this.volumes) }),
      ...(this.workingDir !== '' && { WorkingDir: this.workingDir }),
      ...(this.labels.size > 0 && { Labels: Object.fromEntries(sortedEntries(this.labels)) }),
      ...(this.stopSignal !== undefined && { StopSignal: this.stopSignal }),
      ...(this.argsEscaped && { ArgsEscaped: true }),
      ...(this.healthcheck !== undefined && { Healthcheck: this.healthcheck }),
      ...(this.onBuild.length > 0 && { OnBuild: [...this.onBuild] }),
      ...(this.shell.length > 0 && { Shell: this.shell }),
    };
    return {
      ...(this.author !== undefined && this.author !== '' && { author: this.author }),
      architecture: this.platform.architecture,
      os: this.platform.os,
      ...(this.platform.variant !== undefined && { variant: this.platform.variant }),
      ...this.#osFields,
      config,
    };
  }
}

/** ARM's 64-bit variant 8 is the usual one, and not named. */
function platformOf({ os, architecture, variant }: ImageConfig): Platform {
  const isUsual = variant === undefined || variant === '' || (architecture === 'arm64' && /^v?8$/.test(variant));
  return isUsual ? { os, architecture } : { os, architecture, variant };
}

function splitVariable(variable: string): [string, string] {
  const equals = variable.indexOf('=');
  return equals < 0 ? [variable, ''] : [variable.slice(0, equals), variable.slice(equals + 1)];
}

function emptyValues(names: Iterable<string>): Record<string, Record<string, never>> {
  return Object.fromEntries([...names].toSorted(compareBytes).map((name) => [name, {}]));
}

function sortedEntries(map: ReadonlyMap<string, string>): [string, string][] {
  return [...map].toSorted(([a], [b]) => compareBytes(a, b));
}
