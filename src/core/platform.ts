/** Platforms as `os/arch[/variant]`, normalised the way containerd does it. */
import { BuildError } from './errors.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  x64: 'amd64',
  aarch64: 'arm64',
  armhf: 'arm',
  armel: 'arm',
  i386: '386',
  i686: '386',
  ia32: '386',
};
const DEFAULT_VARIANT: Readonly<Record<string, string>> = { armhf: 'v7', armel: 'v6', arm: 'v7' };
const PART = /^[A-Za-z0-9_.-]+$/;

/** What one word alone can be. */
const SYSTEMS: readonly string[] =
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos'.split(
    ' ',
  );
const PROCESSORS: readonly string[] =
  '386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc riscv riscv64 s390 s390x sparc sparc64 wasm'.split(
    ' ',
  );

/** Reads `linux/arm64`, `arm64`, `linux` or `local`; throws `invalid-platform`. */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  if (text === 'local') return host;
  const parts = text.split('/');
  if (parts.length > 3 || !parts.every((part) => PART.test(part))) {
    throw new BuildError(
      'invalid-platform',
      `Cannot parse platform "${text}": want os/arch or os/arch/variant, such as "linux/arm64"`,
    );
  }
  const [first = '', second, third] = parts.map((part) => part.toLowerCase());
  if (second === undefined) {
    if (SYSTEMS.includes(first)) return { ...host, os: first };
    const platform = normalise(host.os, first, undefined);
    if (PROCESSORS.includes(platform.architecture)) return platform;
    throw new BuildError(
      'invalid-platform',
      `Cannot parse platform "${text}": it is neither an operating system nor an architecture`,
      { hint: 'write both, such as "linux/arm64"' },
    );
  }
  return normalise(first, second, third);
}

function normalise(os: string, name: string, variant: string | undefined): Platform {
  const architecture = ARCHITECTURES[name] ?? name;
  let chosen = variant ?? DEFAULT_VARIANT[name];
  if (architecture === 'arm64' && (chosen === 'v8' || chosen === '8')) chosen = undefined;
  if (architecture === 'arm' && chosen !== undefined && /^\d+$/.test(chosen)) chosen = `v${chosen}`;
  return { os: os === 'macos' ? 'darwin' : os, architecture, ...(chosen !== undefined && { variant: chosen }) };
}

/** The platform that this process runs on. */
export function hostPlatform(): Platform {
  return normalise('linux', process.arch, undefined);
}

export function formatPlatform(platform: Platform): string {
  const base = `${platform.os}/${platform.architecture}`;
  return platform.variant === undefined ? base : `${base}/${platform.variant}`;
}

/** How well an image for `offered` runs on `wanted`: 0 not at all, more is better. */
export function platformRank(wanted: Platform, offered: Platform): number {
  const a = normalise(wanted.os, wanted.architecture, wanted.variant);
  const b = normalise(offered.os, offered.architecture, offered.variant);
  if (a.os !== b.os || a.architecture !== b.architecture) return 0;
  if (a.variant === b.variant) return 100;
  if (a.architecture === 'arm') {
    const [have, need] = [Number(a.variant?.slice(1)), Number((b.variant ?? 'v7').slice(1))];
    return need < have ? 50 + need : 0;
  }
  return b.variant === undefined ? 50 : 0;
}
