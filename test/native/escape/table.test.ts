/**
 * The table of docs/security.md is the attempts' own descriptions: one that is missing there, or is there and not tried, fails this test.
 * UPDATE_GOLDEN=1 writes it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ARCHIVES } from './attempts/archives.ts';
import { BUILDS } from './attempts/builds.ts';
import { CALLS, FIRST_PROCESS } from './attempts/calls.ts';
import type { Described, Group } from './attempts/group.ts';
import { attemptsOf } from './attempts/group.ts';
import { IMAGES } from './attempts/images.ts';
import { LAYERS } from './attempts/layers.ts';
import { NETWORK } from './attempts/network.ts';
import { OUTSIDE } from './attempts/outside.ts';
import { RACES } from './attempts/races.ts';
import { RUNTIME } from './attempts/runtime.ts';
import { STORES } from './attempts/stores.ts';
import { TERMINALS } from './attempts/terminals.ts';
import { USERS } from './attempts/users.ts';

const DOCUMENT = join(import.meta.dirname, '../../../docs/security.md');
const MARK = '<!-- What follows is written by test/native/escape/table.test.ts. -->';

const AREAS: Readonly<Record<string, readonly Group<Described>[]>> = {
  'System calls and files': [...CALLS, ...FIRST_PROCESS],
  'What is outside': OUTSIDE,
  Terminals: TERMINALS,
  'The bridge': NETWORK,
  'Images and options': IMAGES,
  'OCI bundles': RUNTIME,
  Users: USERS,
  Layers: LAYERS,
  Builds: [...BUILDS, ...ARCHIVES, ...STORES],
  'Races and cleanup': RACES,
};

const tests = suite('escapes: the table of docs/security.md');

function cell(text: string): string {
  return text.replace(/[\\|<*`]/g, '\\$&');
}

/** Groups that the same thing refuses become one, in the order in which they come. */
function table(groups: readonly Group<Described>[]): string {
  const rows = new Map<string, string[]>();
  for (const { refusedBy, attempts } of groups) {
    const names = rows.get(refusedBy) ?? [];
    rows.set(refusedBy, [...names, ...attempts.map(({ name }) => name)]);
  }
  const lines = [...rows].flatMap(([by, names]) => names.map((name) => `| ${cell(name)} | ${cell(by)} |`));
  return ['| What is tried | What refuses it |', '| --- | --- |', ...lines].join('\n');
}

tests('has every attempt with what refuses it, and no other', async () => {
  const text = readFileSync(DOCUMENT, 'utf8');
  const [before, ...others] = text.split(MARK);
  assert.is(others.length, 1, `the line "${MARK}" is there once`);
  const sections = Object.entries(AREAS).map(([title, groups]) => `### ${title}\n\n${table(groups)}`);
  const options = { ...(await resolveConfig(DOCUMENT)), parser: 'markdown' };
  const wanted = await format([`${before}${MARK}`, ...sections].join('\n\n'), options);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(DOCUMENT, wanted);
  else assert.fixture(text, wanted);
});

tests('names each attempt once in its area', () => {
  for (const [title, groups] of Object.entries(AREAS)) {
    const names = attemptsOf(groups).map(({ name }) => name);
    assert.equal(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
      title,
    );
  }
});

tests.run();
