/** Base images for tests of the frontend: configs without any layers behind them. */
import { asDiffID, digestOf } from '../../src/core/digest.ts';
import { BuildError } from '../../src/core/errors.ts';
import type { Platform } from '../../src/core/platform.ts';
import type { BaseResolver, CompileOptions } from '../../src/frontend/types.ts';
import type { Reference } from '../../src/oci/reference.ts';
import { familiarReference, formatReference } from '../../src/oci/reference.ts';
import type { ContainerConfig } from '../../src/oci/types.ts';

export const AMD64: Platform = { os: 'linux', architecture: 'amd64' };

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const CONFIGS: Readonly<Record<string, ContainerConfig>> = {
  'busybox:latest': { Env: [PATH], Cmd: ['sh'] },
  /** Every field is set. */
  'full:latest': {
    User: 'app',
    ExposedPorts: { '8080/tcp': {} },
    Env: ['PATH=/opt/bin:/bin', 'BASE=yes'],
    Entrypoint: ['/entry'],
    Cmd: ['from', 'base'],
    Volumes: { '/data': {} },
    WorkingDir: '/srv',
    Labels: { shared: 'base', kept: '1' },
    StopSignal: 'SIGINT',
    Healthcheck: { Test: ['CMD', 'true'], Interval: 5e9 },
    Shell: ['/bin/sh', '-ec'],
  },
  'bare:latest': {},
  'triggers:latest': {
    Env: [PATH],
    OnBuild: ['ARG WHO=trigger', 'COPY . /src', 'RUN echo $WHO', 'COPY --from=tools /t /t', 'ENV FROM_TRIGGER=1'],
  },
  'bad-trigger:latest': { OnBuild: ['RUNN true'] },
};

/** What was asked for, as `platform name`, in the order of asking. */
export function fakeBases(): { readonly resolve: BaseResolver; readonly asked: string[] } {
  const asked: string[] = [];
  const resolve = (reference: Reference, platform: Platform): ReturnType<BaseResolver> => {
    const name = familiarReference(reference);
    asked.push(`${platform.architecture} ${name}`);
    const config = CONFIGS[name];
    if (config === undefined) {
      return Promise.reject(new BuildError('image-not-found', `Cannot find image "${name}"`));
    }
    return Promise.resolve({
      reference: formatReference(reference),
      manifest: digestOf(`${name} ${platform.architecture}`),
      config: {
        ...platform,
        author: name === 'full:latest' ? 'Base Author' : '',
        config,
        rootfs: { type: 'layers', diff_ids: [asDiffID(digestOf(name))] },
        history: [{ created_by: 'base' }],
      },
    });
  };
  return { resolve, asked };
}

export function testOptions(overrides: Partial<CompileOptions> = {}): CompileOptions {
  return {
    resolveBase: fakeBases().resolve,
    buildArgs: new Map(),
    targetPlatform: AMD64,
    buildPlatform: AMD64,
    noCache: false,
    network: 'default',
    labels: new Map(),
    ...overrides,
  };
}
