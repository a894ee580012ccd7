import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { debianTar } from '../support/debian-base.ts';
import type { Outcome } from '../support/e2e.ts';
import { Lab } from '../support/e2e.ts';
import { privileged } from '../support/privileged.ts';
import type { Project, ProjectCheck, ProjectRun } from '../support/projects.ts';
import { readProjects, serveOnce } from '../support/projects.ts';

const test = privileged(suite('projects, end to end'));

const projects = readProjects();
const imageOf = (project: Project) => `example/${project.name}`;

let lab: Lab;
/** Of Debian's base, which is made while the first projects are built. */
let debian: Promise<string> | undefined;
const ready = new Map<string, Promise<void>>([['busybox', Promise.resolve()]]);

test.before(async () => {
  lab = await Lab.open();
  debian = debianTar();
  // Whoever awaits it later has the error.
  debian.catch(() => {});
});

test.after(() => lab[Symbol.asyncDispose]());

/** Prepares a base, or another project, only once. */
function need(name: string): Promise<void> {
  const promise = ready.get(name) ?? prepare(name);
  ready.set(name, promise);
  return promise;
}

async function prepare(name: string): Promise<void> {
  const project = projects.get(name);
  if (name === 'debian') {
    const tar = await (debian ?? debianTar());
    await lab.ok(['import', '-c', 'CMD ["bash"]', tar, 'debian:bookworm-slim']);
  } else if (name === 'node') await importNode();
  else if (project) await build(project);
  else throw new Error(`no base and no project is called "${name}"`);
}

async function importNode(): Promise<void> {
  const script = fileURLToPath(new URL('../../scripts/base-node.sh', import.meta.url));
  const made = spawn(script, { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  made.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(made, 'close')) as [number | null];
  assert.is(code, 0, 'scripts/base-node.sh');
  await lab.ok(['import', '-c', 'CMD ["node"]', '-', 'node:20'], { input: Buffer.concat(chunks) });
}

/** The context is the working directory, to which the paths in the options refer. */
async function build(project: Project): Promise<Outcome> {
  for (const name of project.needs) await need(name);
  const args = ['build', '--progress', 'plain', '-t', imageOf(project), ...(project.build?.args ?? []), '.'];
  return lab.ok(args, { cwd: project.dir, env: project.build?.env ?? {} });
}

async function inspect(project: Project): Promise<Record<string, unknown>> {
  const [image] = JSON.parse((await lab.ok(['inspect', imageOf(project)])).stdout) as Record<string, unknown>[];
  assert.ok(image);
  return image;
}

async function checkRun(project: Project, run: ProjectRun): Promise<void> {
  const { options = [], command = [], input, http, code = 0 } = run;
  const what = `run ${[...options, ...command].join(' ')} ${http?.path ?? ''}`;
  const args = (...extra: string[]) => ['run', '--rm', ...extra, ...options, imageOf(project), ...command];
  let outcome: Outcome;
  if (http) {
    const served = await serveOnce(lab, (port) => args('--network', 'host', '-e', `PORT=${port}`), http.path);
    assert.match(served.body, new RegExp(http.expect), `${what}\n${served.stderr}`);
    outcome = served;
  } else outcome = await lab.run(args('--network', 'none'), input === undefined ? {} : { input });
  const all = `${what}\nended with ${outcome.code ?? outcome.signal}\n${outcome.stdout}\n${outcome.stderr}`;
  assert.is(outcome.code, code, all);
  if (run.stdout !== undefined) assert.match(outcome.stdout, new RegExp(run.stdout), all);
  if (run.stderr !== undefined) assert.match(outcome.stderr, new RegExp(run.stderr), all);
}

async function check(project: Project, expected: ProjectCheck, progress: string): Promise<void> {
  if ('sh' in expected) assert.match(await lab.sh(imageOf(project), expected.sh), new RegExp(expected.stdout));
  else if ('progress' in expected) assert.is(new RegExp(expected.progress).test(progress), expected.is, progress);
  else if ('history' in expected) {
    const history = (await lab.ok(['history', '--no-trunc', imageOf(project)])).stdout;
    assert.is(new RegExp(expected.history).test(history), expected.is, history);
  } else {
    let value: unknown = await inspect(project);
    for (const key of expected.path) value = (value as Record<string, unknown> | null | undefined)?.[key];
    const where = expected.path.join('.');
    if ('includes' in expected) assert.ok(Array.isArray(value) && value.includes(expected.includes), where);
    else assert.equal(value ?? null, expected.is, where);
  }
}

/** Those on Debian come last: its base may still be in the making. */
function inOrder(): Project[] {
  const depth = (name: string): number => {
    const project = projects.get(name);
    return project ? Math.max(...project.needs.map((base) => depth(base) + 1)) : name === 'debian' ? 10 : 0;
  };
  return [...projects.values()].sort((a, b) => depth(a.name) - depth(b.name));
}

for (const project of inOrder()) {
  test(`${project.name}: ${project.description}`, async () => {
    const outcome = await build(project);
    ready.set(project.name, Promise.resolve());
    for (const run of project.run) await checkRun(project, run);
    for (const expected of project.checks) await check(project, expected, outcome.stderr);

    const { Id } = await inspect(project);
    const again = await build(project);
    assert.is((await inspect(project))['Id'], Id, `built again:\n${again.stderr}`);
    for (const [step, number] of again.stderr.matchAll(/^(#\d+) \[.*\] (?:RUN|COPY|ADD|WORKDIR) .*/gm))
      assert.ok(again.stderr.includes(`\n${number} CACHED\n`), `built again: ${step}\n${again.stderr}`);
  });
}

test.run();
