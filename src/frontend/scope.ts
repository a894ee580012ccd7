/**
 * Variables: what ARG and ENV have set, and what an instruction sees.
 *
 * The global scope (ARG before the first FROM, and the platform) is seen by FROM alone. A stage has one list of variables, in which
 * the later of an ENV and an ARG wins; what ENV sets is in the image as well, what ARG sets is only in the history of RUN.
 */
import type { Platform } from '../core/platform.ts';
import { formatPlatform } from '../core/platform.ts';
import type { ExpandOptions, Lookup } from '../parser/shell-words.ts';
import { expandWord, expandWords } from '../parser/shell-words.ts';
import type { ArgInstruction, Word } from '../parser/types.ts';

/** Build arguments that set a proxy, in lower case. */
const PROXIES: readonly string[] = ['http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy', 'all_proxy'];

/** Build arguments that speak to the builder; no ARG needs to declare them. */
const CONTROL_ARGS: readonly string[] = [
  'BUILDKIT_BUILD_NAME',
  'BUILDKIT_CACHE_MOUNT_NS',
  'BUILDKIT_CONTEXT_KEEP_GIT_DIR',
  'BUILDKIT_DOCKERFILE_CHECK',
  'BUILDKIT_INLINE_CACHE',
  'BUILDKIT_MULTI_PLATFORM',
  'BUILDKIT_SANDBOX_HOSTNAME',
  'BUILDKIT_SBOM_SCAN_CONTEXT',
  'BUILDKIT_SBOM_SCAN_STAGE',
  'BUILDKIT_SYNTAX',
  'SOURCE_DATE_EPOCH',
];

/** Declared arguments that steer attestations and are not part of RUN's environment. */
const NOT_IN_ENVIRONMENT: readonly string[] = ['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE'];

/** Whether ARG may declare a name without making a variable of it. */
export function isNotInEnvironment(name: string): boolean {
  return NOT_IN_ENVIRONMENT.includes(name);
}

/** Whether a build argument means something without an ARG. */
export function isPredefined(name: string): boolean {
  return (
    PROXIES.includes(name.toLowerCase()) ||
    CONTROL_ARGS.includes(name) ||
    /^(?:TARGET|BUILD)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT)$|^TARGETSTAGE$/.test(name)
  );
}

/** The proxy settings among `buildArgs`, each under both spellings, as RUN sees them. */
export function proxyEnvironment(buildArgs: ReadonlyMap<string, string>): string[] {
  return PROXIES.flatMap((proxy) => {
    const given = [...buildArgs].filter(([name]) => name.toLowerCase() === proxy).at(-1);
    if (given === undefined || given[1] === '') return [];
    return [`${proxy.toUpperCase()}=${given[1]}`, `${proxy}=${given[1]}`];
  });
}

export interface GlobalScopeOptions {
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly targetPlatform: Platform;
  readonly buildPlatform: Platform;
  /** The name of the target stage, if it has one. */
  readonly targetName: string | undefined;
  readonly escape: ExpandOptions['escape'];
}

/** The variables that FROM sees, and that a stage can take over with ARG. */
export class GlobalScope {
  readonly #variables: Map<string, string>;
  readonly #options: GlobalScopeOptions;

  constructor(options: GlobalScopeOptions) {
    this.#options = options;
    const predefined = [
      ...platformVariables('BUILD', options.buildPlatform),
      ...platformVariables('TARGET', options.targetPlatform),
      ['TARGETSTAGE', options.targetName ?? 'default'] as const,
    ];
    this.#variables = new Map(predefined.map(([name, value]) => [name, options.buildArgs.get(name) ?? value]));
  }

  get buildArgs(): ReadonlyMap<string, string> {
    return this.#options.buildArgs;
  }

  get escape(): ExpandOptions['escape'] {
    return this.#options.escape;
  }

  readonly lookup: Lookup = (name) => this.#variables.get(name);

  /** ARG before the first FROM; each default sees what came before it, on the same line too. */
  declare(instruction: ArgInstruction): void {
    for (const { name, defaultValue } of instruction.args) {
      const value = this.buildArgs.get(name.text) ?? (defaultValue && this.expand(defaultValue));
      if (value !== undefined) this.#variables.set(name.text, value);
    }
  }

  expand(word: Word): string {
    return expandWord(word, this.lookup, { escape: this.escape }).value;
  }

  names(): string[] {
    return [...this.#variables.keys()];
  }
}

function platformVariables(prefix: string, platform: Platform): (readonly [string, string])[] {
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, ''],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ];
}

/** The variables of a stage at one point of it. */
export class StageScope {
  readonly #global: GlobalScope;
  /** In the order of setting; a name that is set again moves to the end. */
  readonly #variables: Map<string, string>;
  /** Declared arguments in the order of their first ARG, with the value that ARG gave. */
  readonly #args: Map<string, string | undefined>;

  /** A stage that begins with the variables and arguments of `parent`, if it is built on a stage. */
  constructor(global: GlobalScope, parent?: StageScope) {
    this.#global = global;
    this.#variables = new Map(parent === undefined ? [] : parent.#variables);
    this.#args = new Map(parent === undefined ? [] : parent.#args);
  }

  readonly lookup: Lookup = (name) => this.#variables.get(name);

  setEnv(name: string, value: string): void {
    this.#variables.delete(name);
    this.#variables.set(name, value);
  }

  /** One name of an ARG line; returns its value, if it has one. A build argument wins over the default, that over the global value. */
  declareArg(name: string, defaultValue: Word | undefined): string | undefined {
    const value =
      this.#global.buildArgs.get(name) ??
      (defaultValue === undefined ? this.#global.lookup(name) : this.expand(defaultValue));
    if (value !== undefined && !NOT_IN_ENVIRONMENT.includes(name)) this.setEnv(name, value);
    this.#args.set(name, value);
    return value;
  }

  /** Whether an ARG, with or without a value, has declared `name`. */
  isDeclared(name: string): boolean {
    return this.#args.has(name);
  }

  /** Names of the variables that have a value. */
  names(): string[] {
    return [...this.#variables.keys()];
  }

  /** `NAME=value` of all variables, for RUN. */
  environment(): string[] {
    return [...this.#variables].map(([name, value]) => `${name}=${value}`);
  }

  /** `NAME=value` of the declared arguments, with what they are worth now; without a value, empty. */
  argsForHistory(): string[] {
    return [...this.#args].map(([name, value]) => `${name}=${this.lookup(name) ?? value ?? ''}`);
  }

  expand(word: Word): string {
    return expandWord(word, this.lookup, { escape: this.#global.escape }).value;
  }

  expandWords(word: Word): readonly string[] {
    return expandWords(word, this.lookup, { escape: this.#global.escape }).words;
  }

  /** For messages: quotes stay if `keepQuotes`, and so do references to variables that are not set. */
  expandForDisplay(word: Word, keepQuotes: boolean): string {
    const quotes = keepQuotes ? 'keep' : 'remove';
    return expandWord(word, this.lookup, { escape: this.#global.escape, quotes, keepUnset: keepQuotes }).value;
  }

  /** A heredoc's body: its quotes are text, and the backslash escapes whatever the Dockerfile's escape character. */
  expandBody(word: Word): string {
    return expandWord(word, this.lookup, { escape: '\\', quotes: 'none' }).value;
  }
}
