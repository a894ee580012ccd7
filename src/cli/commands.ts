/** The commands by name. Each is loaded only when it is called. */
import type { Command } from './types.ts';

export interface CommandEntry {
  readonly summary: string;
  load(): Promise<Command>;
}

export const DEFAULT_COMMAND = 'build';

/** In the order of the help. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  build: {
    summary: 'Build an image from a Dockerfile (the default)',
    load: async () => (await import('./commands/build.ts')).build,
  },
  run: { summary: 'Run a command in a new container', load: async () => (await import('./commands/run.ts')).run },
  ps: { summary: 'List containers', load: async () => (await import('./commands/ps.ts')).ps },
  port: {
    summary: 'Show the published ports of a container',
    load: async () => (await import('./commands/port.ts')).port,
  },
  rm: { summary: 'Remove containers', load: async () => (await import('./commands/rm.ts')).rm },
  images: { summary: 'List images', load: async () => (await import('./commands/images.ts')).images },
  pull: { summary: 'Download an image from a registry', load: async () => (await import('./commands/pull.ts')).pull },
  tag: { summary: 'Give an image another name', load: async () => (await import('./commands/tag.ts')).tag },
  rmi: { summary: 'Remove images', load: async () => (await import('./commands/rmi.ts')).rmi },
  inspect: {
    summary: 'Show images in detail, as JSON',
    load: async () => (await import('./commands/inspect.ts')).inspect,
  },
  history: {
    summary: 'Show the steps that an image was made by',
    load: async () => (await import('./commands/history.ts')).history,
  },
  save: { summary: 'Write images to an archive', load: async () => (await import('./commands/save.ts')).save },
  load: { summary: 'Read images from an archive', load: async () => (await import('./commands/load.ts')).load },
  import: {
    summary: 'Make an image from a tar of a root filesystem',
    load: async () => (await import('./commands/import.ts')).importCommand,
  },
  prune: { summary: 'Remove what is not used', load: async () => (await import('./commands/prune.ts')).prune },
  runtime: {
    summary: 'Start containers from OCI bundles, as runc does',
    load: async () => (await import('./commands/runtime.ts')).runtime,
  },
  version: { summary: 'Show the version', load: async () => (await import('./commands/version.ts')).versionCommand },
  help: { summary: 'Show help on a command', load: async () => (await import('./commands/help.ts')).help },
};
