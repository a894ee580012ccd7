// Writes docs/conformance.md from the results of differential runs against Docker.
//
//   node scripts/conformance.mjs RESULTS.json... "Docker 28.5.2"
//
// RESULTS.json: a list of { name: "group/case", status: "ok" | "FAIL" | "skip", lines: [what differed] }. What is meant to differ is in
// test/differential/deliberate.json: { "group/case": "why" }; a case there that agrees after all is an error, so that the list stays true.
import { readFile, writeFile } from 'node:fs/promises';

const files = process.argv.slice(2, -1);
const peer = process.argv.at(-1);
if (files.length === 0) {
  console.error('usage: node scripts/conformance.mjs RESULTS.json... "Docker VERSION"');
  process.exit(2);
}
const read = async (path) => JSON.parse(await readFile(path, 'utf8'));
const results = (await Promise.all(files.map(read))).flat();
const deliberate = await read(new URL('../test/differential/deliberate.json', import.meta.url));

const byName = new Map(results.map((result) => [result.name, result]));
const stale = Object.keys(deliberate).filter((name) => byName.get(name)?.status !== 'FAIL');
if (stale.length > 0) {
  console.error(`conformance: these agree or were not run, take them out of deliberate.json: ${stale.join(', ')}`);
  process.exit(1);
}

const groups = new Map();
for (const result of [...results].sort((a, b) => (a.name < b.name ? -1 : 1))) {
  const group = result.name.slice(0, result.name.indexOf('/'));
  groups.set(group, [...(groups.get(group) ?? []), result]);
}
const agreed = results.filter(({ status }) => status === 'ok').length;

const out = [
  '# Conformance',
  '',
  `Written by \`scripts/conformance.mjs\`; not to be edited. Each case is a Dockerfile that ${peer} and tsbuild both built; their images were compared file by`,
  'file and field by field, and where a case must fail, both failed. Where tsbuild differs and means to, the reason is given.',
  '',
  `${agreed} of ${results.length} cases agree; ${Object.keys(deliberate).length} differ on purpose.`,
  '',
  '| Group | Agree | Cases |',
  '| --- | --- | --- |',
  ...[...groups].map(([group, cases]) => {
    const ok = cases.filter(({ status }) => status === 'ok').length;
    return `| ${group} | ${ok} of ${cases.length} | ${cases.map(describe).join(', ')} |`;
  }),
  '',
];
const differing = results.filter(({ status }) => status === 'FAIL');
if (differing.length > 0) {
  out.push('## Differences', '', '| Case | Why |', '| --- | --- |');
  for (const { name, lines } of differing) {
    out.push(`| ${name} | ${deliberate[name] ?? `not intended: ${inline(lines[0] ?? 'see the case')}`} |`);
  }
  out.push('');
}
await writeFile(new URL('../docs/conformance.md', import.meta.url), out.join('\n'));
console.log(`${agreed} of ${results.length} agree`);

function describe({ name, status }) {
  const short = name.slice(name.indexOf('/') + 1);
  return status === 'ok' ? short : status === 'skip' ? `${short} (skipped)` : `**${short}**`;
}

function inline(text) {
  return text.replaceAll('|', '\\|').slice(0, 200);
}
