// Compiles grammar/dockerfile.ne to grammar/dockerfile.generated.ts. Fails on a grammar that nearley warns about.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const nearley = require('nearley');
const compile = require('nearley/lib/compile.js');
const generate = require('nearley/lib/generate.js');
const lint = require('nearley/lib/lint.js');
const language = require('nearley/lib/nearley-language-bootstrapped.js');

const source = fileURLToPath(new URL('../grammar/dockerfile.ne', import.meta.url));
const target = fileURLToPath(new URL('../grammar/dockerfile.generated.ts', import.meta.url));

const parser = new nearley.Parser(nearley.Grammar.fromCompiled(language));
parser.feed(await readFile(source, 'utf8'));
if (parser.results[0] === undefined) throw new Error(`${source}: not a whole grammar`);

const compiled = compile(parser.results[0], { version: require('nearley/package.json').version, file: source });
const warnings = [];
lint(compiled, { out: { write: (text) => warnings.push(text) }, version: compiled.version });
if (warnings.length > 0) throw new Error(`${source}: ${warnings.join('')}`);

// Several processes may compile at once: none may see half a file.
const temporary = `${target}.${process.pid}.tmp`;
await writeFile(temporary, generate(compiled, 'grammar'));
await rename(temporary, target);
