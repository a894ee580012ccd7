/** Checks of FROM, which sees global arguments only. */
import { BuildError } from '../../core/errors.ts';
import { parsePlatform } from '../../core/platform.ts';
import { suggest } from '../../core/suggest.ts';
import { parseReference } from '../../oci/reference.ts';
import type { Report } from '../../parser/lint/rules.ts';
import { expandWord } from '../../parser/shell-words.ts';
import type { ArgInstruction, FromInstruction, Word } from '../../parser/types.ts';
import { GlobalScope } from '../scope.ts';
import type { GlobalScopeOptions } from '../scope.ts';

export interface FromChecks {
  readonly globalArgs: readonly ArgInstruction[];
  readonly froms: readonly FromInstruction[];
  /** With the global arguments declared. */
  readonly globals: GlobalScope;
  readonly scopeOptions: GlobalScopeOptions;
  readonly report: Report;
}

/** What cannot be expanded ends the checks; whoever expands it for the build tells why. */
export function checkFroms(checks: FromChecks): void {
  try {
    checkDefaults(checks);
    for (const from of checks.froms) checkFrom(from, checks);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
  }
}

/** Bases should be usable without any build argument. */
function checkDefaults({ globalArgs, froms, scopeOptions, report }: FromChecks): void {
  const defaults = new GlobalScope({ ...scopeOptions, buildArgs: new Map() });
  for (const instruction of globalArgs) defaults.declare(instruction);
  for (const from of froms) {
    if (isReference(defaults.expand(from.image))) continue;
    const message = `Default value for ARG ${from.image.text} results in empty or invalid base image name`;
    report('InvalidDefaultArgInFrom', from, message);
  }
}

function checkFrom(from: FromInstruction, checks: FromChecks): void {
  checkDeclared(from, expandTracked(from.image, checks).unset, checks);
  if (from.platform === undefined) return;
  const platform = expandTracked(from.platform, checks);
  checkDeclared(from, platform.unset, checks);
  checkRedundant(from, platform, checks);
  checkConstant(from, platform, checks);
}

function checkDeclared(
  from: FromInstruction,
  unset: readonly string[],
  { globalArgs, globals, report }: FromChecks,
): void {
  const declared = globalArgs.flatMap(({ args }) => args.map(({ name }) => name.text));
  const known = new Set([...declared, ...globals.names()]);
  for (const name of unset) {
    if (known.has(name)) continue;
    const near = nearestName(name, known);
    const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
    report('UndefinedArgInFrom', from, `FROM argument '${name}' is not declared${hint}`);
  }
}

interface Tracked {
  readonly value: string;
  readonly unset: readonly string[];
  /** Names that were looked up and found. */
  readonly set: ReadonlySet<string>;
}

function checkRedundant(from: FromInstruction, { value, set, unset }: Tracked, { globals, report }: FromChecks): void {
  if (set.size !== 1 || unset.length > 0 || !set.has('TARGETPLATFORM') || value !== globals.lookup('TARGETPLATFORM'))
    return;
  const message = `Setting platform to predefined ${from.platform?.text ?? ''} in FROM is redundant as this is the default behavior`;
  report('RedundantTargetPlatform', from, message);
}

/** A stage for a certain platform is fine if its name says so. */
function checkConstant(
  from: FromInstruction,
  { value, set, unset }: Tracked,
  { scopeOptions, report }: FromChecks,
): void {
  if (set.size > 0 || unset.length > 0) return;
  const { os, architecture } = parsePlatform(value, scopeOptions.buildPlatform);
  const name = from.stageName?.value.toLowerCase() ?? '';
  if (name.includes(os) || name.includes(architecture)) return;
  report('FromPlatformFlagConstDisallowed', from, `FROM --platform flag should not use constant value "${value}"`);
}

function expandTracked(word: Word, { globals }: FromChecks): Tracked {
  const set = new Set<string>();
  const lookup = (name: string): string | undefined => {
    const value = globals.lookup(name);
    if (value !== undefined) set.add(name);
    return value;
  };
  return { ...expandWord(word, lookup, { escape: globals.escape }), set };
}

/** Docker takes anything that is two slips away, casing counted, for a slip. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  return suggest(name, known, { maxDistance: 2, caseSensitive: true });
}

function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch (error) {
    if (error instanceof BuildError) return false;
    throw error;
  }
}
